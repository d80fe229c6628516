//! Demand curves and Pedersen vector commitments to them on P-256

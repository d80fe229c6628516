//! The IPO contract: listings, orders, clearing, tokens and settlement

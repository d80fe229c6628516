//! A stand-in for a Fabric network in one process, for tests and for machines without Fabric

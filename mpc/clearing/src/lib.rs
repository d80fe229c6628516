//! The auction: its plaintext reference and the secure protocol over the engine

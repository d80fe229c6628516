//! Fabric's wire interface, as far as the project uses it, and the sidecar's own

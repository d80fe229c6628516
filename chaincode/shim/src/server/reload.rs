//! TLS material of a server that follows its files.

use std::sync::Arc;

use followed_certificates::{Followed, Source};

use super::error::ConfigError;
use super::tls::{Material, TlsConfig, Usable};
use crate::metrics::Metrics;

/// A server's certificates, as its files have them.
pub(super) type Certificates = Followed<Files>;

/// Where they are, and who counts how often they are read.
pub(super) struct Files {
    pub(super) config: TlsConfig,
    pub(super) metrics: Arc<Metrics>,
}

impl Source for Files {
    type Material = Material;
    type Usable = Usable;
    type Error = ConfigError;

    fn read(&self) -> Result<Material, ConfigError> {
        self.config.read()
    }

    fn contents(material: &Material) -> Vec<&[u8]> {
        material.contents()
    }

    fn usable(&self, material: Material) -> Result<Usable, ConfigError> {
        material.usable()
    }

    fn loaded(&self, usable: &Usable) {
        self.metrics.certificate_loaded(usable.not_after);
    }

    fn refused(&self) {
        self.metrics.certificate_refused();
    }
}

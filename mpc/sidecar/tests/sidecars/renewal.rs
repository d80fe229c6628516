//! Keys and certificates that change while sidecars run.

#![allow(clippy::unwrap_used)]

use std::fs;

use mpc_sidecar::config::ChaincodeTlsConfig;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::network::{Network, estatia, terms};

/// How often files were read, by result.
async fn loads(network: &Network, index: usize, result: &str) -> u32 {
    let text = network.metrics(index).await;
    let series = format!("mpc_sidecar_certificate_loads_total{{result=\"{result}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.unwrap().parse().unwrap()
}

async fn clears(network: &Network) {
    for index in 0..3 {
        network.join(index).await;
    }
    for index in 0..3 {
        assert_eq!(network.client(index).await.outcome().await, network.expected());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_key_is_in_use_without_a_restart() {
    let mut network = Network::started().await;
    // One that dials the others, and one that is dialled. The ledger names the new keys: nobody would speak to the old ones.
    for index in [0, 2] {
        network.renew_key(index);
    }
    clears(&network).await;
    for (index, times) in [(0, 2), (1, 1), (2, 2)] {
        assert_eq!(loads(&network, index, "loaded").await, times);
        assert_eq!(loads(&network, index, "refused").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_files_leave_key_and_authorities_in_use() {
    let network = Network::started().await;
    let home = network.home(0);
    fs::write(home.join("cert.pem"), "renewed soon").unwrap();
    fs::remove_file(network.home(1).join("ca.pem")).unwrap();
    clears(&network).await;
    // The second has all of its own files.
    for (index, complaints) in [(0, 1), (1, 0), (2, 1)] {
        assert_eq!(loads(&network, index, "loaded").await, 1);
        assert_eq!(loads(&network, index, "refused").await, complaints);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chaincode_servers_see_a_renewed_certificate_and_are_judged_by_a_renewed_authority() {
    let mut network = Network::new(estatia(), terms());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // An organisation's files in the place of another's, as when the authority is renewed.
    let put = |network: &Network, index: usize| {
        for name in ["cert.pem", "key.pem", "ca.pem"] {
            fs::copy(network.home(index).join(name), path(name)).unwrap();
        }
    };
    put(&network, 0);
    network.organisations[0].config.chaincode.tls = Some(ChaincodeTlsConfig {
        cert: path("cert.pem"),
        key: path("key.pem"),
        client_ca: path("ca.pem"),
    });
    network.start(0).await;
    assert!(is_served(&network, 0).await && !is_served(&network, 1).await);
    put(&network, 1);
    assert!(is_served(&network, 1).await && !is_served(&network, 0).await);
}

/// Whether the first sidecar serves a chaincode that has a certificate of this organisation's authority, and trusts no other.
async fn is_served(network: &Network, index: usize) -> bool {
    let read = |name: &str| fs::read_to_string(network.home(index).join(name)).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("ca.pem")))
        .identity(Identity::from_pem(read("cert.pem"), read("key.pem")))
        .domain_name("127.0.0.1");
    let address = network.organisations[0].config.chaincode.listen;
    let endpoint = Channel::from_shared(format!("https://{address}")).unwrap();
    let Ok(channel) = endpoint.tls_config(tls).unwrap().connect().await else {
        return false;
    };
    let request = HealthCheckRequest::default();
    HealthClient::new(channel).check(request).await.is_ok()
}

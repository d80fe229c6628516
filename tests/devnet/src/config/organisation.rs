//! The organisations on the channel.

use serde::{Deserialize, Serialize};

/// An organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationConfig {
    /// Its membership service provider's id.
    pub msp_id: String,
    /// Its domain: `peer0.<domain>` is its peer.
    pub domain: String,
    /// How many peers it runs.
    #[serde(default = "one")]
    pub peers: usize,
    /// Its users, besides `Admin`.
    #[serde(default = "default_users")]
    pub users: Vec<String>,
    /// `ledger.state.totalQueryLimit` of its peers, where it differs from the network's.
    #[serde(default)]
    pub total_query_limit: Option<usize>,
    /// The ports on which its peers serve; 0, or none given, takes a free one.
    #[serde(default)]
    pub gateway_ports: Vec<u16>,
    /// The ports on which chaincodes dial its peers (`peer.chaincodeListenAddress`); 0, or none given, takes a free one.
    #[serde(default)]
    pub chaincode_ports: Vec<u16>,
    /// Whether its peers are in development mode (`peer node start --peer-chaincodedev`): any chaincode may dial them, without TLS, and
    /// serves as the one that it calls itself. One that is not installed is `NAME:VERSION` of its definition.
    #[serde(default)]
    pub development: bool,
}

fn one() -> usize {
    1
}

fn default_users() -> Vec<String> {
    vec!["User1".to_owned()]
}

impl OrganisationConfig {
    /// One peer, `Admin` and `User1`, and the domain `org1.example.com` for `Org1MSP`.
    pub fn new(msp_id: &str) -> Self {
        let name = msp_id.strip_suffix("MSP").unwrap_or(msp_id).to_ascii_lowercase();
        Self {
            msp_id: msp_id.to_owned(),
            domain: format!("{name}.example.com"),
            peers: one(),
            users: default_users(),
            total_query_limit: None,
            gateway_ports: Vec::new(),
            chaincode_ports: Vec::new(),
            development: false,
        }
    }

    pub(crate) fn peer_name(&self, index: usize) -> String {
        format!("peer{index}.{}", self.domain)
    }
}

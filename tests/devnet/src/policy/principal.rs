//! Whom a policy's leaf means.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A role in an organisation, told from the certificate's organisational unit (NodeOUs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Any valid identity of the organisation.
    Member,
    /// Organisational unit `admin`.
    Admin,
    /// Organisational unit `client`.
    Client,
    /// Organisational unit `peer`.
    Peer,
    /// Organisational unit `orderer`.
    Orderer,
}

impl Role {
    pub(crate) const ALL: [Self; 5] = [Self::Member, Self::Admin, Self::Client, Self::Peer, Self::Orderer];

    /// The name in policies and in certificates' organisational units.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Orderer => "orderer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Any identity of an organisation in a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal {
    /// The organisation's membership service provider.
    pub msp_id: String,
    /// The role.
    pub role: Role,
}

impl Principal {
    /// Whether every identity that is `self` is also `other`.
    pub(crate) fn is_at_least(&self, other: &Self) -> bool {
        self.msp_id == other.msp_id && (self.role == other.role || other.role == Role::Member)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}.{}'", self.msp_id, self.role)
    }
}

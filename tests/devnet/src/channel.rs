//! What all nodes of a channel know alike: its organisations and its chaincode definitions.

use crate::{
    config::{ChaincodeDefinition, ConfigError},
    identity::MspRegistry,
    policy::{Principal, Role, SignaturePolicy},
};
use std::{collections::BTreeMap, sync::Arc};

/// The namespace in which Fabric's lifecycle keeps chaincode definitions.
pub(crate) const LIFECYCLE: &str = "_lifecycle";

/// All keys in [`LIFECYCLE`] of a chaincode's definition. An endorsement reads the first; one that touches a collection reads them all.
pub(crate) fn definition_keys(chaincode: &str) -> [String; 5] {
    let field = |name: &str| format!("namespaces/fields/{chaincode}/{name}");
    [
        sequence_key(chaincode),
        field("Collections"),
        field("EndorsementInfo"),
        field("ValidationInfo"),
        format!("namespaces/metadata/{chaincode}"),
    ]
}

/// The key in [`LIFECYCLE`] that every endorsement of the chaincode reads, and every upgrade writes.
pub(crate) fn sequence_key(chaincode: &str) -> String {
    format!("namespaces/fields/{chaincode}/Sequence")
}

/// The key in a chaincode's own namespace that holds the version for which it was initialised.
pub(crate) const INITIALIZED_KEY: &str = "\0\u{10ffff}initialized";

const IMPLICIT: &str = "_implicit_org_";

/// The name of an organisation's implicit collection.
pub(crate) fn implicit_collection(msp_id: &str) -> String {
    format!("{IMPLICIT}{msp_id}")
}

/// A chaincode as the channel agreed on it.
#[derive(Clone, Debug)]
pub(crate) struct Chaincode {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) package_id: String,
    pub(crate) sequence: u64,
    pub(crate) policy: SignaturePolicy,
    pub(crate) init_required: bool,
    collections: BTreeMap<String, Arc<Collection>>,
}

/// A private data collection, implicit or configured.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    pub(crate) name: String,
    pub(crate) members: Vec<Principal>,
    pub(crate) required_peer_count: usize,
    pub(crate) max_peer_count: usize,
    pub(crate) block_to_live: u64,
    pub(crate) member_only_read: bool,
    pub(crate) member_only_write: bool,
    /// None: the chaincode's.
    pub(crate) endorsement_policy: Option<SignaturePolicy>,
    pub(crate) implicit: bool,
}

impl Collection {
    pub(crate) fn is_member(&self, msp_id: &str) -> bool {
        self.members.iter().any(|member| member.msp_id == msp_id)
    }
}

impl Chaincode {
    pub(crate) fn compile(
        definition: &ChaincodeDefinition,
        sequence: u64,
        msps: &MspRegistry,
    ) -> Result<Self, ConfigError> {
        let msp_ids: Vec<&str> = msps.msp_ids().collect();
        let implicit = msp_ids.iter().map(|msp_id| {
            Ok(Collection {
                name: implicit_collection(msp_id),
                members: vec![Principal {
                    msp_id: (*msp_id).to_owned(),
                    role: Role::Member,
                }],
                // What counts is each peer's `implicitCollectionDisseminationPolicy`.
                required_peer_count: 0,
                max_peer_count: 0,
                block_to_live: 0,
                member_only_read: false,
                member_only_write: false,
                endorsement_policy: Some(SignaturePolicy::signed_by(msp_id, Role::Peer)),
                implicit: true,
            })
        });
        let explicit = definition.collections.iter().map(|collection| {
            let members = collection.member_policy(&definition.name)?;
            Ok(Collection {
                name: collection.name.clone(),
                members: members.principals().into_iter().cloned().collect(),
                required_peer_count: collection.required_peer_count,
                max_peer_count: collection.max_peer_count,
                block_to_live: collection.block_to_live,
                member_only_read: collection.member_only_read,
                member_only_write: collection.member_only_write,
                endorsement_policy: collection.own_endorsement_policy(&definition.name, &msp_ids)?,
                implicit: false,
            })
        });
        let collections: Vec<Collection> = implicit.chain(explicit).collect::<Result<_, ConfigError>>()?;
        Ok(Self {
            name: definition.name.clone(),
            version: definition.version.clone(),
            package_id: definition.package_id(),
            sequence,
            policy: definition.endorsement_policy(&msp_ids)?,
            init_required: definition.init_required,
            collections: collections
                .into_iter()
                .map(|c| (c.name.clone(), Arc::new(c)))
                .collect(),
        })
    }

    pub(crate) fn collection(&self, name: &str) -> Option<&Arc<Collection>> {
        self.collections.get(name)
    }

    /// The policy that judges writes to a collection.
    pub(crate) fn collection_policy(&self, name: &str) -> Option<&SignaturePolicy> {
        let collection = self.collections.get(name)?;
        Some(collection.endorsement_policy.as_ref().unwrap_or(&self.policy))
    }
}

/// The definitions in force at some height.
pub(crate) type Definitions = BTreeMap<String, Arc<Chaincode>>;

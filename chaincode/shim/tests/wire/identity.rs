//! Client identities.

use chaincode_shim::{ClientIdentity, Error, NodeRole, success};
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::{MspRole, OrganizationUnit};
use fabric_protos::msp::{SerializedIdemixIdentity, SerializedIdentity};
use fabric_protos::protos::chaincode_message::Type;
use proptest::prelude::*;
use prost::Message;
use serde::Deserialize;

use crate::certificates::{Authority, creator};
use crate::peer::{proposal, with_peer};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    pem: String,
    text: String,
    id: String,
    organizational_units: Option<Vec<String>>,
}

/// `identities.json`: certificates with the ids that `pkg/cid` of fabric-chaincode-go gives them, computed with Go 1.26.
fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("identities.json")).unwrap()
}

#[test]
fn ids_are_those_of_the_go_shim() {
    let vectors = vectors();
    assert!(vectors.len() > 4);
    for vector in vectors {
        let identity = ClientIdentity::from_creator(&creator("Org1MSP", &vector.pem)).unwrap();
        assert_eq!(
            identity.id(),
            Ok(vector.id.as_str()),
            "{}: {}",
            vector.name,
            vector.text
        );
        assert_eq!(identity.msp_id(), "Org1MSP");
        assert!(identity.certificate().is_some_and(|der| der.starts_with(b"\x30")));
        assert_eq!(
            identity.organizational_units(),
            vector.organizational_units.unwrap_or_default()
        );
    }
}

#[test]
fn attributes_of_fabric_ca_are_read() {
    let identity = ClientIdentity::from_creator(&creator("Org1MSP", &vectors()[0].pem)).unwrap();
    assert_eq!(identity.attribute("role"), Some("broker"));
    assert_eq!(identity.attributes().len(), 4);
    assert_eq!(identity.assert_attribute("role", "broker"), Ok(()));
    let wrong = identity.assert_attribute("role", "bank").unwrap_err();
    assert_eq!(
        wrong.to_string(),
        r#"attribute "role" of the caller is "broker", "bank" expected"#
    );
    assert!(matches!(
        identity.assert_attribute("none", "x"),
        Err(Error::Attribute { found: None, .. })
    ));
}

#[test]
fn attributes_that_are_no_json_are_an_error() {
    let creator = Authority::new("ca").creator("Org1MSP", &[], Some("{\"attrs\": 1}"));
    assert!(matches!(
        ClientIdentity::from_creator(&creator),
        Err(Error::Malformed { .. })
    ));
}

#[test]
fn roles_come_from_organisational_units() {
    let ca = Authority::new("ca");
    let role = |units: &[&str]| {
        let identity = ClientIdentity::from_creator(&ca.creator("Org1MSP", units, None)).unwrap();
        units
            .iter()
            .for_each(|unit| assert!(identity.has_organizational_unit(unit)));
        assert!(!identity.has_organizational_unit("nobody"));
        identity.node_role()
    };
    assert_eq!(role(&["admin"]), Some(NodeRole::Admin));
    assert_eq!(role(&["client"]), Some(NodeRole::Client));
    assert_eq!(role(&["peer"]), Some(NodeRole::Peer));
    assert_eq!(role(&["orderer"]), Some(NodeRole::Orderer));
    assert_eq!(role(&["department1"]), None);
}

fn idemix(unit: &str, role: MspRoleType) -> Vec<u8> {
    let unit = OrganizationUnit {
        msp_identifier: "Org1MSP".to_owned(),
        organizational_unit_identifier: unit.to_owned(),
        ..OrganizationUnit::default()
    };
    let role = MspRole {
        msp_identifier: "Org1MSP".to_owned(),
        role: role.into(),
    };
    let pseudonym = SerializedIdemixIdentity {
        nym_x: vec![1; 32],
        nym_y: vec![2; 32],
        ou: unit.encode_to_vec(),
        role: role.encode_to_vec(),
        proof: vec![3],
    };
    SerializedIdentity {
        mspid: "Org1MSP".to_owned(),
        id_bytes: pseudonym.encode_to_vec(),
    }
    .encode_to_vec()
}

#[test]
fn an_idemix_identity_has_a_unit_and_a_role_and_no_id() {
    let identity = ClientIdentity::from_creator(&idemix("admin", MspRoleType::Client)).unwrap();
    assert_eq!((identity.msp_id(), identity.certificate()), ("Org1MSP", None));
    assert!(matches!(identity.id(), Err(Error::NotX509 { .. })));
    assert_eq!(
        (identity.attribute("ou"), identity.attribute("role")),
        (Some("admin"), Some("client"))
    );
    assert!(identity.has_organizational_unit("admin"));
    // The credential's role counts; a unit may be called anything.
    assert_eq!(identity.node_role(), Some(NodeRole::Client));
    let member = ClientIdentity::from_creator(&idemix("u", MspRoleType::Member)).unwrap();
    assert_eq!(
        (member.attribute("role"), member.node_role()),
        (Some("member"), None)
    );
}

#[test]
fn what_is_not_a_certificate_is_refused() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "idemix", broken] {
        let error = ClientIdentity::from_creator(&creator("Org1MSP", pem)).unwrap_err();
        assert!(matches!(error, Error::NotX509 { .. }), "{error}");
    }
    assert!(matches!(
        ClientIdentity::from_creator(b"\xff"),
        Err(Error::Malformed { .. })
    ));
}

#[tokio::test]
async fn the_caller_of_a_transaction_is_its_proposals_creator() {
    let creator = Authority::new("ca").creator("Org2MSP", &["client"], None);
    let (_server, mut peer) = with_peer(|stub| async move {
        let identity = ClientIdentity::new(&stub).unwrap();
        assert_eq!(
            (identity.msp_id(), identity.node_role()),
            ("Org2MSP", Some(NodeRole::Client))
        );
        assert_eq!(
            format!("{identity:?}"),
            r#"ClientIdentity { msp_id: "Org2MSP", .. }"#
        );
        success(Vec::new())
    })
    .await;
    peer.invoke_as(Type::Transaction, "tx", Vec::new(), Some(proposal(&creator, &[])))
        .await;
    peer.succeeded("tx").await;
}

proptest! {
    #[test]
    fn any_creator_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ClientIdentity::from_creator(&bytes);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", hex::encode(&bytes));
        prop_assert!(ClientIdentity::from_creator(&creator("M", &pem)).is_err());
    }

    #[test]
    fn a_damaged_certificate_is_read_or_refused(at in 0_usize..700, bit in 0_u8..8) {
        let mut creator = creator("Org1MSP", &vectors()[0].pem);
        let at = at % creator.len();
        creator[at] ^= 1 << bit;
        let _ = ClientIdentity::from_creator(&creator);
    }
}

//! What a contract learns of its caller, and key-level policies.

use fabric_protos::protos::TxValidationCode;
use serde_json::{Value, json};
use step_chaincode::Step;

use crate::bench::{Bench, ORG, call, refused, soon, steps};

const ATTRIBUTES: [(&str, &str); 3] = [
    ("hf.Affiliation", "org1.department1"),
    ("hf.EnrollmentID", "broker7"),
    ("role", "broker"),
];

/// What `caller:Who` tells of a client to whom the organisation's authority has issued a certificate with these attributes.
async fn who(bench: &Bench, name: &str, attributes: &[(&str, &str)]) -> Value {
    let client = bench
        .client(ORG)
        .with_identity(bench.issue(ORG, name, attributes));
    let answer = soon(client.evaluate(&call("caller:Who", &[]).organisations(&[ORG])))
        .await
        .unwrap();
    serde_json::from_slice(&answer).unwrap()
}

pub(crate) async fn attributes_of_fabric_ca_are_read_and_insisted_on(bench: &Bench) {
    let told = who(bench, "broker7", &ATTRIBUTES).await;
    assert_eq!(
        told["attributes"],
        Value::Object(
            ATTRIBUTES
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .into_iter()
                .collect()
        )
    );
    assert_eq!(who(bench, "nobody", &[]).await["attributes"], json!({}));

    let client = bench
        .client(ORG)
        .with_identity(bench.issue(ORG, "broker7", &ATTRIBUTES));
    let assert = |name, value| call("caller:Assert", &[name, value]).organisations(&[ORG]);
    soon(client.evaluate(&assert("role", "broker"))).await.unwrap();
    for (name, value, reason) in [
        (
            "role",
            "bank",
            r#"attribute "role" of the caller is "broker", "bank" expected"#,
        ),
        (
            "rank",
            "1",
            r#"attribute "rank" of the caller is not there, "1" expected"#,
        ),
    ] {
        let error = soon(client.evaluate(&assert(name, value))).await.unwrap_err();
        let refused = refused(&error).unwrap();
        assert!(refused.ends_with(reason), "{refused}");
    }
}

pub(crate) async fn ids_msps_units_and_certificates_are_told(bench: &Bench) {
    let told = who(bench, "broker7", &ATTRIBUTES).await;
    assert_eq!(told["msp"], ORG);
    assert_eq!(told["units"], json!(["client"]));
    assert_eq!(told["role"], "Client");
    // The id is subject and issuer, so it outlives the certificate.
    let again = who(bench, "broker7", &[]).await;
    assert_eq!(told["id"], again["id"]);
    assert_ne!(told["certificate"], again["certificate"]);
    assert_ne!(told["id"], who(bench, "broker8", &ATTRIBUTES).await["id"]);
}

pub(crate) async fn a_key_asks_for_some_of_several_organisations(bench: &Bench) {
    let both = r#"["Org1MSP", "Org2MSP"]"#;
    for (key, n) in [("by-one", "1"), ("by-both", "2")] {
        bench
            .submit(&call("policies:Protect", &[key, n, both]))
            .await
            .unwrap();
    }
    let put = |key: &str| steps(&[Step::Put(key.into(), "by one".into())]).organisations(&[ORG]);
    bench.submit(&put("by-one")).await.unwrap();
    let invalid = bench.submit(&put("by-both")).await.unwrap_err();
    assert_eq!(
        invalid.validation_code(),
        Some(TxValidationCode::EndorsementPolicyFailure)
    );
}

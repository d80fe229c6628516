//! The chaincode server's life.

use crate::world::{ALL, CC, Setup, World, assert_says, get, put, run, server::ChaincodeProcess, soon};
use chaincode_shim::TlsConfig;
use devnet::config::Connection;
use serde_json::json;
use std::time::Duration;
use step_chaincode::Step;
use tonic::Code;

fn package_id(world: &World) -> String {
    world.network.config().chaincodes[0].package_id()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_fail_at_once_when_the_server_dies() {
    let mut world = World::start().await;
    let waiting = {
        let client = world.client("Org1MSP").clone();
        let call = run(&[Step::Gate("gate".into())]).organisations(&["Org1MSP"]);
        tokio::spawn(async move { client.evaluate(&call).await })
    };
    soon(world.gates.arrived("gate", 1)).await;
    world.servers.get_mut("Org1MSP").unwrap().kill();
    let error = soon(waiting).await.unwrap().unwrap_err();
    assert_says(&error, "chaincode stream terminated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_named_and_the_first_call_after_its_return_succeeds() {
    let mut world = World::start().await;
    let home = run(&[put("key", "value")]).organisations(&["Org1MSP"]);
    soon(world.client("Org1MSP").evaluate(&home)).await.unwrap();
    let address = world.servers["Org1MSP"].socket_address();
    world.servers.get_mut("Org1MSP").unwrap().kill();
    let client = world.client("Org1MSP").clone();
    // The peer may learn of the death by this call or before it.
    let error = loop {
        let error = soon(client.evaluate(&home)).await.unwrap_err();
        if !error.to_string().contains("chaincode stream terminated") {
            break error;
        }
    };
    assert_eq!(error.code(), Some(Code::Aborted));
    assert_says(
        &error,
        &format!("could not launch chaincode {}", package_id(&world)),
    );
    assert_says(&error, "connection refused");
    // Nothing is held: a commit goes on.
    world
        .submit_to("Org2MSP", &["Org2MSP", "Org3MSP"], &[get("key")])
        .await
        .unwrap_err();
    world.settle().await;

    let server = ChaincodeProcess::start_at(address, &package_id(&world), "Org1MSP", &world.gates, None);
    soon(client.evaluate(&home)).await.unwrap();
    world.servers.insert("Org1MSP".into(), server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_call_times_out_the_stream_stays_and_a_late_put_finds_no_ledger_context() {
    let short = |config: &mut devnet::config::NetworkConfig| {
        config.limits.execute_timeout = Duration::from_millis(300);
    };
    let world = Setup::new(ALL).with(short).start().await;
    let hang = run(&[Step::Gate("gate".into()), put("key", "late")]).organisations(&["Org1MSP"]);
    let error = soon(world.client("Org1MSP").evaluate(&hang)).await.unwrap_err();
    assert_says(&error, "timeout expired while executing transaction");
    assert_eq!(
        world.evaluate("Org1MSP", &[get("key")]).await.unwrap(),
        json!([null])
    );
    world.gates.open("gate");
    soon(world.gates.failed("no ledger context")).await;
    // The lock went with the time-out.
    world
        .submit_to("Org1MSP", &crate::world::ORGS, &[put("key", "next")])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_chaincode_fails_its_call_alone() {
    let world = World::start().await;
    let call = run(&[Step::Panic]).organisations(&["Org1MSP"]);
    soon(world.client("Org1MSP").evaluate(&call)).await.unwrap_err();
    assert_eq!(
        world.evaluate("Org1MSP", &[get("key")]).await.unwrap(),
        json!([null])
    );
}

/// A server of Org1 with TLS, and the connection that fits it.
fn with_tls(world: &World, client_authentication: bool) -> (ChaincodeProcess, Connection) {
    let organisation = world.network.material().organisation("Org1MSP").unwrap();
    let server = organisation.issue_tls("chaincode.org1.example.com", &[]).unwrap();
    let client = organisation.issue_tls("peer0.org1.example.com", &[]).unwrap();
    let authority = organisation.tls_ca_certificate_pem().to_owned();
    let mut tls = TlsConfig::new(server.certificate_pem, server.key_pem);
    if client_authentication {
        tls = tls.with_client_ca(authority.clone());
    }
    let process = ChaincodeProcess::start(&package_id(world), "Org1MSP", &world.gates, Some(tls));
    let connection = Connection {
        dial_timeout: Some(Duration::from_secs(1)),
        tls_required: true,
        client_auth_required: client_authentication,
        client_key: if client_authentication {
            client.key_pem
        } else {
            String::new()
        },
        client_cert: if client_authentication {
            client.certificate_pem
        } else {
            String::new()
        },
        root_cert: authority,
        ..Connection::plaintext(process.address())
    };
    (process, connection)
}

async fn at_home(world: &World) -> Result<Vec<u8>, devnet::client::ClientError> {
    soon(
        world
            .client("Org1MSP")
            .evaluate(&run(&[Step::Whoami]).organisations(&["Org1MSP"])),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_mutual_tls_work_as_connection_json_says() {
    for client_authentication in [false, true] {
        let mut world = World::start().await;
        world.servers.get_mut("Org1MSP").unwrap().kill();
        let (_server, connection) = with_tls(&world, client_authentication);
        world
            .network
            .connect_chaincode(CC, "Org1MSP", &connection)
            .unwrap();
        assert_eq!(at_home(&world).await.unwrap(), br#"["Org1MSP"]"#);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_authority_and_a_plaintext_server_fail_after_the_whole_dial_timeout() {
    let world = World::start().await;
    let (_server, right) = with_tls(&world, true);
    let stranger = world
        .network
        .material()
        .organisation("Org2MSP")
        .unwrap()
        .issue_tls("peer", &[])
        .unwrap();
    let wrong_client = Connection {
        client_key: stranger.key_pem,
        client_cert: stranger.certificate_pem,
        ..right.clone()
    };
    let plaintext_server = Connection {
        address: world.servers["Org2MSP"].address(),
        ..right.clone()
    };
    let tls_server_in_plaintext = Connection {
        dial_timeout: right.dial_timeout,
        ..Connection::plaintext(right.address.clone())
    };
    for connection in [wrong_client, plaintext_server, tls_server_in_plaintext] {
        world
            .network
            .connect_chaincode(CC, "Org1MSP", &connection)
            .unwrap();
        let error = at_home(&world).await.unwrap_err();
        assert_says(&error, "context deadline exceeded");
    }
    world.network.connect_chaincode(CC, "Org1MSP", &right).unwrap();
    at_home(&world).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_registers_under_another_package_id_is_never_ready() {
    let short = |config: &mut devnet::config::NetworkConfig| {
        config.limits.startup_timeout = Duration::from_millis(500);
    };
    let world = Setup::new(ALL).with(short).start().await;
    let other = ChaincodeProcess::start("other:0000", "Org1MSP", &world.gates, None);
    world
        .network
        .connect_chaincode(CC, "Org1MSP", &Connection::plaintext(other.address()))
        .unwrap();
    let error = at_home(&world).await.unwrap_err();
    assert_says(&error, "timeout expired while starting chaincode");
}

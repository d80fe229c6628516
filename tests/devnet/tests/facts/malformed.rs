//! Requests that no SDK would send.

use crate::world::{World, get, run, soon};
use fabric_protos::{
    common::Envelope,
    gateway::{
        ChaincodeEventsRequest, CommitStatusRequest, EndorseRequest, EvaluateRequest,
        SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
        gateway_client::GatewayClient,
    },
    protos::{SignedProposal, endorser_client::EndorserClient},
};
use prost::Message;
use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

async fn channel(world: &World) -> Channel {
    let gateway = world.network.gateway("Org1MSP").unwrap();
    let authority = world
        .network
        .material()
        .organisation("Org1MSP")
        .unwrap()
        .tls_ca_certificate_pem();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
    let endpoint = Endpoint::from_shared(format!("https://localhost:{}", gateway.address.port())).unwrap();
    soon(endpoint.tls_config(tls).unwrap().connect()).await.unwrap()
}

fn junk() -> SignedProposal {
    SignedProposal {
        proposal_bytes: vec![0xff; 100],
        signature: vec![1],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_invalid_arguments_and_leave_the_peer_working() {
    let world = World::start().await;
    let mut gateway = GatewayClient::new(channel(&world).await);
    for proposed_transaction in [None, Some(SignedProposal::default()), Some(junk())] {
        let request = EvaluateRequest {
            proposed_transaction: proposed_transaction.clone(),
            ..Default::default()
        };
        assert_eq!(
            soon(gateway.evaluate(request)).await.unwrap_err().code(),
            Code::InvalidArgument
        );
        let request = EndorseRequest {
            proposed_transaction,
            ..Default::default()
        };
        assert_eq!(
            soon(gateway.endorse(request)).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
    for prepared_transaction in [None, Some(Envelope::default())] {
        let request = SubmitRequest {
            channel_id: "mychannel".into(),
            prepared_transaction,
            ..Default::default()
        };
        assert_eq!(
            soon(gateway.submit(request)).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
    let envelope = Envelope {
        payload: vec![0xff; 9],
        signature: vec![1],
    };
    let request = SubmitRequest {
        channel_id: "mychannel".into(),
        prepared_transaction: Some(envelope),
        ..Default::default()
    };
    assert_eq!(
        soon(gateway.submit(request)).await.unwrap_err().code(),
        Code::Aborted
    );

    let identity = world.client("Org1MSP").identity().serialized().to_vec();
    let statuses = [
        Vec::new(),
        vec![0xff; 9],
        CommitStatusRequest {
            channel_id: "c".into(),
            transaction_id: "t".into(),
            identity: Vec::new(),
        }
        .encode_to_vec(),
        CommitStatusRequest {
            channel_id: "c".into(),
            transaction_id: String::new(),
            identity: identity.clone(),
        }
        .encode_to_vec(),
    ];
    for request in statuses {
        let signed = SignedCommitStatusRequest {
            request,
            signature: vec![1],
        };
        assert_eq!(
            soon(gateway.commit_status(signed)).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
    let signed = SignedChaincodeEventsRequest {
        request: vec![0xff; 9],
        signature: vec![1],
    };
    assert_eq!(
        soon(gateway.chaincode_events(signed)).await.unwrap_err().code(),
        Code::InvalidArgument
    );

    assert_eq!(
        soon(world.client("Org1MSP").evaluate(&run(&[get("key")])))
            .await
            .unwrap(),
        b"[null]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_about_the_channel_need_a_members_signature() {
    let world = World::start().await;
    let mut gateway = GatewayClient::new(channel(&world).await);
    let user = world.client("Org1MSP").identity();
    let status = CommitStatusRequest {
        channel_id: "mychannel".into(),
        transaction_id: "t".into(),
        identity: user.serialized().to_vec(),
    }
    .encode_to_vec();
    let foreign = CommitStatusRequest {
        channel_id: "elsewhere".into(),
        ..CommitStatusRequest::decode(status.as_slice()).unwrap()
    }
    .encode_to_vec();
    for (request, signature) in [
        (status.clone(), user.sign(b"something else")),
        (foreign.clone(), user.sign(&foreign)),
    ] {
        let refused = soon(gateway.commit_status(SignedCommitStatusRequest { request, signature })).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    }
    let events = ChaincodeEventsRequest {
        channel_id: "mychannel".into(),
        chaincode_id: "basic".into(),
        identity: user.serialized().to_vec(),
        ..Default::default()
    }
    .encode_to_vec();
    let signed = SignedChaincodeEventsRequest {
        request: events,
        signature: user.sign(b"something else"),
    };
    assert_eq!(
        soon(gateway.chaincode_events(signed)).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endorser_service_answers_as_the_peer_command_line_expects() {
    let world = World::start().await;
    let mut endorser = EndorserClient::new(channel(&world).await);
    let signed = world.client("Org1MSP").sign(&run(&[get("key")])).unwrap();
    let answer = soon(endorser.process_proposal(signed.proposal.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.response.unwrap().payload, b"[null]");
    assert!(answer.endorsement.is_some());
    assert_eq!(
        soon(endorser.process_proposal(junk())).await.unwrap_err().code(),
        Code::Unknown
    );
}

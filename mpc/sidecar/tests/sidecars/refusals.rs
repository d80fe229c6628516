//! What a sidecar refuses: of its chaincode, and of others that dial it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::LazyLock;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::clearing_client::ClearingClient;
use fabric_protos::ipo::sidecar::v1::frame::Body;
use mpc_sidecar::config::ChaincodeTlsConfig;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, ClientTlsConfig, Identity};
use wire::State;

use crate::impostor::{break_off, dial, hello, next};
use crate::network::{LIMIT, Network};

#[tokio::test(flavor = "multi_thread")]
async fn openings_that_are_not_the_frozen_book_are_refused_by_order() {
    let mut network = Network::new(crate::network::estatia(), crate::network::terms());
    network.start(0).await;
    let good = network.request(0);
    let extra = network.opening("BrokerAMSP", &("a3", vec![(500, 1)]));
    let later = network.opening("BrokerAMSP", &("a9", vec![(500, 1)]));
    let missing = hex::encode(&good.openings[1].commitment);
    type Change<'a> = &'a dyn Fn(&mut wire::JoinRequest);
    let refusals: [(Change<'_>, &str); 11] = [
        (
            &|it| it.openings[1].steps[0].quantity -= 1,
            "order \"a2\": steps[1].quantity is 9000, allowed is at most 8999",
        ),
        (
            &|it| it.openings[1].steps[1].quantity -= 1,
            "order \"a2\": its steps and salt do not open",
        ),
        (
            &|it| it.openings[0].steps[1].price = 800,
            "order \"a1\": its steps and salt do not open",
        ),
        (
            &|it| it.openings[1].salt[31] ^= 1,
            "order \"a2\": its steps and salt do not open",
        ),
        (
            &|it| it.openings[1].commitment = it.openings[0].commitment.clone(),
            "order \"a2\": its steps",
        ),
        (
            &|it| it.openings[1].steps[0].price = 650,
            "order \"a2\": steps[0].price is 650",
        ),
        (&|it| drop(it.openings.pop()), missing.as_str()),
        (
            &|it| it.openings.push(extra.clone()),
            "openings has 3 orders, the frozen book 2: it does not have order \"a3\"",
        ),
        (
            &|it| it.openings.extend([extra.clone(), later.clone()]),
            "openings has 4 orders, the frozen book 2: it does not have some of them",
        ),
        (
            &|it| it.openings[1] = extra.clone(),
            "openings are not the frozen book",
        ),
        (
            &|it| it.openings.clear(),
            "openings has 0 orders, the frozen book 2",
        ),
    ];
    let mut client = network.client(0).await;
    for (change, expected) in refusals {
        let mut request = good.clone();
        change(&mut request);
        let refused = client.join(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(refused.message().contains(expected), "{expected}: {refused}");
    }
    assert_eq!(client.status().await.state(), State::NotJoined);
    assert_eq!(client.join(good).await.unwrap().state(), State::Waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_in_parts_is_read_to_its_end_and_no_further() {
    let mut network = Network::new(crate::network::estatia(), crate::network::terms());
    network.start(0).await;
    let good = network.request(0);
    let first = wire::JoinRequest {
        openings: good.openings[..1].to_vec(),
        ..good.clone()
    };
    let further = |openings: &[wire::Opening]| wire::JoinRequest {
        openings: openings.to_vec(),
        ..wire::JoinRequest::default()
    };
    let last = further(&good.openings[1..]);
    let extra = further(&[network.opening("BrokerAMSP", &("a3", vec![(500, 1)]))]);
    let speaks = wire::JoinRequest {
        msp: good.msp.clone(),
        ..last.clone()
    };
    let refusals: [(Vec<wire::JoinRequest>, Code, &str); 5] = [
        (vec![], Code::InvalidArgument, "protocol_version is 0"),
        (
            vec![first.clone()],
            Code::FailedPrecondition,
            "openings has 1 orders, the frozen book 2",
        ),
        (
            vec![first.clone(), speaks],
            Code::InvalidArgument,
            "a part after the first has other fields than openings, allowed are openings alone",
        ),
        (
            vec![first.clone(), last.clone(), extra.clone()],
            Code::FailedPrecondition,
            "openings has 3 orders, the frozen book 2: it does not have order \"a3\"",
        ),
        // Nobody reads on for ever.
        (
            [vec![first.clone(), last.clone()], vec![extra; 1000]].concat(),
            Code::FailedPrecondition,
            "openings has 3 orders, the frozen book 2: it does not have some of them",
        ),
    ];
    let mut client = network.client(0).await;
    for (parts, code, expected) in refusals {
        let refused = client.join_in_parts(parts).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(expected), "{expected}: {refused}");
    }
    assert_eq!(client.status().await.state(), State::NotJoined);
    let joined = client.join_in_parts(vec![first, further(&[]), last]).await;
    assert_eq!(joined.unwrap().state(), State::Waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_by_field() {
    let mut network = Network::new(crate::network::estatia(), crate::network::terms());
    network.start(0).await;
    let good = network.request(0);
    type Change = fn(&mut wire::JoinRequest);
    let malformed: [(Change, &str); 17] = [
        (
            |it| it.protocol_version = 1,
            "protocol_version is 1, allowed is 2",
        ),
        (|it| it.terms = None, "terms is missing"),
        (
            |it| it.terms.as_mut().unwrap().price = None,
            "terms.price is missing",
        ),
        (
            |it| it.terms.as_mut().unwrap().price.as_mut().unwrap().tick = 0,
            "terms.price.tick is 0",
        ),
        (
            |it| it.terms.as_mut().unwrap().allocation = 0,
            "terms.allocation is 0",
        ),
        (|it| it.terms.as_mut().unwrap().fan_out = 0, "fanOut is 0"),
        (|it| it.terms.as_mut().unwrap().fan_out = 2, "session_id is"),
        (|it| it.session_id[0] ^= 1, "session_id is"),
        (|it| it.session_id.truncate(31), "session_id is 31 bytes long"),
        (
            |it| it.participants[1].book = None,
            "book of participant \"BrokerBMSP\" is missing",
        ),
        (
            |it| it.participants[1].key_hash.clear(),
            "key_hash of participant \"BrokerBMSP\" is 0 bytes long",
        ),
        (
            |it| it.participants[1].next_key_hash = vec![1],
            "next_key_hash of participant \"BrokerBMSP\" is 1 bytes",
        ),
        (
            |it| it.participants[1].book.as_mut().unwrap().commitment = vec![0; 33],
            "the book of \"BrokerBMSP\"",
        ),
        (|it| it.participants.reverse(), "ascending byte order"),
        (
            |it| it.openings[0].salt.truncate(5),
            "order \"a1\": salt is 5 bytes long",
        ),
        (
            |it| it.openings[0].commitment[0] = 4,
            "order \"a1\": commitment starts with byte 0x04",
        ),
        (
            |it| it.openings.reverse(),
            "openings: order \"a1\" comes after \"a2\"",
        ),
    ];
    let mut client = network.client(0).await;
    for (change, expected) in malformed {
        let mut request = good.clone();
        change(&mut request);
        let refused = client.join(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(expected), "{expected}: {refused}");
    }
    let mut other = good.clone();
    other.msp = "BrokerBMSP".to_owned();
    let refused = client.join(other).await.unwrap_err();
    assert!(
        refused
            .message()
            .contains("allowed is this sidecar's own organisation \"BrokerAMSP\""),
        "{refused}"
    );
    assert_eq!(client.status().await.state(), State::NotJoined);

    // The same listing in another session: it is cleared once.
    client.join(good).await.unwrap();
    network.terms.shares -= 1;
    let refused = client.join(network.request(0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused
            .message()
            .contains("listing \"Estatia\" was joined as session"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_with_another_key_than_the_ledger_s_is_refused() {
    let mut network = Network::started().await;
    let good = network.request(1);
    network.stop(1).await;
    network.replace_key(1);
    network.start(1).await;

    // Its own chaincode is told.
    let refused = network.client(1).await.join(good).await.unwrap_err();
    assert!(
        refused
            .message()
            .contains("the ledger has another public key for this sidecar"),
        "{refused}"
    );

    // Who dials it refuses it.
    network.join(0).await;
    let unknown_key = |status: &wire::StatusResponse| {
        status.last_error.contains("BrokerBMSP") && status.last_error.contains("which is not on the ledger")
    };
    network
        .client(0)
        .await
        .until("the other key to be noticed", unknown_key)
        .await;

    // Whom it dials refuses it.
    network.join(2).await;
    let (cert, key) = (network.home(1).join("cert.pem"), network.home(1).join("key.pem"));
    let refused = dial(&network, 2, Some((&cert, &key)), hello(&network, 1, 2))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    let expected = "USBankMSP has not joined the session with this caller and this certificate";
    assert_eq!(refused.message(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_wrong_greetings_are_refused() {
    let network = Network::started().await;
    let own = |index: usize| {
        (
            network.home(index).join("cert.pem"),
            network.home(index).join("key.pem"),
        )
    };
    let try_as =
        async |cert: (&Path, &Path), first: wire::Frame| dial(&network, 2, Some(cert), first).await.map(drop);
    let (cert, key) = own(0);
    let good = hello(&network, 0, 2);

    let refused = try_as((&cert, &key), good.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    let not_joined = refused.message().to_owned();
    network.join(2).await;

    // Who does not have the certificate of a participant is not told that the listing was joined.
    type Change = fn(&mut wire::Hello);
    let strangers: [Change; 4] = [
        |it| it.from = "CMSP".to_owned(),
        |it| it.from = "BrokerBMSP".to_owned(),
        |it| it.from = "USBankMSP".to_owned(),
        |it| {
            it.from = "BrokerBMSP".to_owned();
            it.session_id[0] ^= 1;
        },
    ];
    let is_as_if_not_joined = |refused: tonic::Status| {
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        assert_eq!(refused.message(), not_joined);
    };
    for change in strangers {
        let mut frame = good.clone();
        if let Some(Body::Hello(hello)) = &mut frame.body {
            change(hello);
        }
        is_as_if_not_joined(try_as((&cert, &key), frame).await.unwrap_err());
    }
    let greetings: [(Change, Code, &str); 4] = [
        (
            |it| it.protocol_version = 9,
            Code::FailedPrecondition,
            "protocol_version is 9, allowed is 2",
        ),
        (
            |it| it.session_id = vec![1; 31],
            Code::InvalidArgument,
            "session_id is 31 bytes long",
        ),
        (
            |it| it.session_id[0] ^= 1,
            Code::FailedPrecondition,
            "joined the listing as another session",
        ),
        (
            |it| it.to = "BrokerBMSP".to_owned(),
            Code::InvalidArgument,
            "this is the sidecar of USBankMSP",
        ),
    ];
    for (change, code, expected) in greetings {
        let mut frame = good.clone();
        if let Some(Body::Hello(hello)) = &mut frame.body {
            change(hello);
        }
        let refused = try_as((&cert, &key), frame).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(expected), "{expected}: {refused}");
    }
    for first in [
        Body::Ready(wire::Ready::default()),
        Body::Chunk(wire::Chunk::default()),
    ] {
        let refused = try_as((&cert, &key), wire::Frame { body: Some(first) })
            .await
            .unwrap_err();
        assert!(
            refused.message().contains("the first frame is not a hello"),
            "{refused}"
        );
    }
    let refused = try_as((&cert, &key), wire::Frame { body: None })
        .await
        .unwrap_err();
    assert!(refused.message().contains("empty frame"), "{refused}");

    // A certificate of the right authority for another host, and one of another organisation.
    let (elsewhere, elsewhere_key) = network.another_certificate(0, &["10.9.8.7"]);
    is_as_if_not_joined(
        try_as((&elsewhere, &elsewhere_key), good.clone())
            .await
            .unwrap_err(),
    );
    let (others, others_key) = own(1);
    is_as_if_not_joined(try_as((&others, &others_key), good.clone()).await.unwrap_err());
    // None, and one of an authority that is not configured, do not pass the handshake.
    assert!(dial(&network, 2, None, good.clone()).await.is_err());
    let (stranger, stranger_key) = own(2);
    assert!(try_as((&stranger, &stranger_key), good).await.is_err());

    // All of it did no harm.
    network.join(0).await;
    network.join(1).await;
    assert_eq!(network.client(2).await.outcome().await, network.expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_misbehaves_is_suspected_until_no_attempt_is_left() {
    let mut books = crate::network::estatia();
    books.remove(2);
    let mut network = Network::new(books, crate::network::terms());
    network.organisations[1].config.attempts.max = 2;
    network.start(0).await;
    network.start(1).await;
    network.join(1).await;
    // The test holds the first broker's key, and speaks for it.
    let (cert, key) = (network.home(0).join("cert.pem"), network.home(0).join("key.pem"));
    let mut client = network.client(1).await;
    for attempt in 1..=2 {
        let (theirs, _stream) = break_off(&network, hello(&network, 0, 1)).await;
        assert_eq!((theirs.attempt, theirs.from.as_str()), (attempt, "BrokerBMSP"));
        let error = format!("attempt {attempt}: party 0");
        let suspected = |status: &wire::StatusResponse| {
            status.last_error.starts_with(&error) && status.suspects == ["BrokerAMSP"]
        };
        let status = client.until("a failed attempt", suspected).await;
        assert_eq!(status.attempts, attempt);
    }
    let status = client
        .until("the end", |status| status.state() == State::Failed)
        .await;
    assert_eq!((status.attempts, status.max_attempts), (2, 2));
    assert_eq!(status.suspects, ["BrokerAMSP"]);
    let refused = dial(&network, 1, Some((&cert, &key)), hello(&network, 0, 1))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_uses_up_no_attempts_and_unequal_caps_do_not_part_the_others() {
    let mut books = crate::network::estatia();
    books.remove(2);
    let mut network = Network::new(books, crate::network::terms());
    network.organisations[0].config.attempts.max = 1;
    network.organisations[1].config.attempts.max = 4;
    network.start(0).await;
    network.start(1).await;
    network.join(1).await;
    let mut client = network.client(1).await;
    // Somebody with the first broker's key says that it has begun any number of attempts, and breaks each off.
    for (attempt, said) in [(1, u32::MAX), (2, 0), (3, 4)] {
        let mut greeting = hello(&network, 0, 1);
        if let Some(Body::Hello(hello)) = &mut greeting.body {
            hello.attempt = said;
        }
        let (theirs, _stream) = break_off(&network, greeting).await;
        assert_eq!(theirs.attempt, attempt);
        let error = format!("attempt {attempt}: party 0");
        let counted = |status: &wire::StatusResponse| status.last_error.starts_with(&error);
        let status = client.until("a failed attempt", counted).await;
        assert_eq!((status.attempts, status.max_attempts), (attempt, 4));
    }
    // One attempt is left, and the first broker's sidecar, which has no more than one, takes part in it.
    network.join(0).await;
    for (index, attempts) in [(0, 1), (1, 4)] {
        let mut client = network.client(index).await;
        assert_eq!(client.outcome().await, network.expected());
        assert_eq!(client.status().await.attempts, attempts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_nonces_are_not_met() {
    let mut books = crate::network::estatia();
    books.remove(2);
    let mut network = Network::new(books, crate::network::terms());
    // It knocks once and then no more: what its status says next is about the greetings.
    let attempts = &mut network.organisations[1].config.attempts;
    (attempts.retry_after_ms, attempts.retry_at_most_ms) = (3_600_000, 3_600_000);
    network.start(0).await;
    network.start(1).await;
    network.join(1).await;
    let (cert, key) = (network.home(0).join("cert.pem"), network.home(0).join("key.pem"));
    let mut client = network.client(1).await;
    client
        .until("its knock", |status| status.last_error.contains("has not joined"))
        .await;
    type Change = fn(&mut wire::Hello);
    let greetings: [(Change, &str); 2] = [
        (|it| it.nonce.truncate(31), "nonce is 31 bytes long"),
        (|it| it.nonce.clear(), "nonce is 0 bytes long"),
    ];
    for (change, expected) in greetings {
        let mut frame = hello(&network, 0, 1);
        if let Some(Body::Hello(hello)) = &mut frame.body {
            change(hello);
        }
        let (_frames, _answers) = dial(&network, 1, Some((&cert, &key)), frame).await.unwrap();
        client
            .until(expected, |status| status.last_error.contains(expected))
            .await;
    }
    assert_eq!(client.status().await.attempts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_ready_for_another_attempt_is_told_apart_from_whoever_caused_it() {
    let mut books = crate::network::estatia();
    books.remove(2);
    let mut network = Network::new(books, crate::network::terms());
    network.start(0).await;
    network.start(1).await;
    network.join(1).await;
    let (cert, key) = (network.home(0).join("cert.pem"), network.home(0).join("key.pem"));
    let (frames, mut answers) = dial(&network, 1, Some((&cert, &key)), hello(&network, 0, 1))
        .await
        .unwrap();
    assert!(matches!(next(&mut answers).await, Some(Body::Hello(_))));
    let Some(Body::Ready(mut ready)) = next(&mut answers).await else {
        panic!("no ready")
    };
    ready.attempt_id[0] ^= 1;
    let body = Some(Body::Ready(ready));
    frames.send(wire::Frame { body }).await.unwrap();
    let expected = "somebody told BrokerAMSP and this sidecar different things";
    let mut client = network.client(1).await;
    let told = |status: &wire::StatusResponse| status.last_error.contains(expected);
    let status = client.until("the disagreement", told).await;
    assert_eq!((status.attempts, status.suspects.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_after_it_was_ready_is_missed_while_others_are_waited_for() {
    let mut network = Network::new(crate::network::estatia(), crate::network::terms());
    network.start(2).await;
    network.join(2).await;
    let mut streams = Vec::new();
    for index in [0, 1] {
        let (cert, key) = (
            network.home(index).join("cert.pem"),
            network.home(index).join("key.pem"),
        );
        let greeting = hello(&network, index, 2);
        let (frames, mut answers) = dial(&network, 2, Some((&cert, &key)), greeting).await.unwrap();
        assert!(matches!(next(&mut answers).await, Some(Body::Hello(_))));
        streams.push((frames, answers));
    }
    let (_frames, mut waiting) = streams.pop().unwrap();
    let (frames, mut answers) = streams.pop().unwrap();
    let Some(Body::Ready(ready)) = next(&mut answers).await else {
        panic!("no ready")
    };
    assert!(matches!(next(&mut waiting).await, Some(Body::Ready(_))));
    let body = Some(Body::Ready(ready));
    frames.send(wire::Frame { body }).await.unwrap();
    let mut client = network.client(2).await;
    let heard = |status: &wire::StatusResponse| status.waiting_for == ["BrokerBMSP"];
    client.until("that one is ready", heard).await;

    // The second is not ready yet, and learns that the meeting is over: its stream ends.
    drop((frames, answers));
    assert!(next(&mut waiting).await.is_none());
    let missed = |status: &wire::StatusResponse| {
        status
            .last_error
            .starts_with("BrokerAMSP left before the attempt began")
    };
    let status = client.until("that it left", missed).await;
    assert_eq!((status.attempts, status.suspects.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_are_refused_and_the_sidecar_goes_on() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let network = Network::started().await;
    let address = network.organisations[0].config.chaincode.listen;

    // A gRPC call whose message is no protobuf.
    let channel = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = "/ipo.sidecar.v1.Clearing/Join".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<wire::Step, wire::JoinResponse>::default();
    // Field 1 of a step is a number of 64 bits; of a request, one of 32, and field 2 of a request is a byte string.
    let step = wire::Step {
        price: 1,
        quantity: 7,
    };
    let refused = grpc
        .unary(tonic::Request::new(step), path, codec)
        .await
        .unwrap_err();
    assert!(
        matches!(refused.code(), Code::Internal | Code::InvalidArgument),
        "{refused}"
    );

    // No HTTP/2 at all.
    for port in [address, network.organisations[0].config.peers.listen] {
        let mut tcp = TcpStream::connect(port).await.unwrap();
        tcp.write_all(&[0xff; 4096]).await.unwrap();
        let mut answer = Vec::new();
        // It is answered with an error or not at all, and closed.
        let _ = timeout(LIMIT, tcp.read_to_end(&mut answer)).await.unwrap();
    }
    let mut client = network.client(0).await;
    for length in [0, 31, 33] {
        let refused = client.status_of(vec![1; length]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(
            refused
                .message()
                .contains(&format!("session_id is {length} bytes long")),
            "{refused}"
        );
    }
    assert_eq!(client.status().await.state(), State::NotJoined);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chaincode_on_another_machine_needs_a_certificate() {
    let mut network = Network::new(crate::network::estatia(), crate::network::terms());
    let home = network.home(0);
    let (cert, key) = (home.join("cert.pem"), home.join("key.pem"));
    network.organisations[0].config.chaincode.tls = Some(ChaincodeTlsConfig {
        cert: cert.clone(),
        key: key.clone(),
        client_ca: home.join("ca.pem"),
    });
    network.start(0).await;
    let address = network.organisations[0].config.chaincode.listen;
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let authority = tonic::transport::Certificate::from_pem(read(&home.join("ca.pem")));
    let without = ClientTlsConfig::new().ca_certificate(authority);
    let with = without
        .clone()
        .identity(Identity::from_pem(read(&cert), read(&key)));
    let other = network.home(1);
    let foreign = Identity::from_pem(read(&other.join("cert.pem")), read(&other.join("key.pem")));
    let foreign = without.clone().identity(foreign);
    let ask = async |tls: ClientTlsConfig| {
        let endpoint = Channel::from_shared(format!("https://{address}")).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().timeout(LIMIT).connect_lazy();
        let request = wire::StatusRequest {
            session_id: vec![0; 32],
        };
        ClearingClient::new(channel).status(request).await
    };
    assert_eq!(ask(with).await.unwrap().into_inner().state(), State::NotJoined);
    assert!(ask(without).await.is_err());
    assert!(ask(foreign).await.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_request_with_any_byte_changed_is_refused(place: Index, change in 1_u8..) {
        static GOOD: LazyLock<wire::JoinRequest> = LazyLock::new(|| {
            Network::new(crate::network::estatia(), crate::network::terms()).request(0)
        });
        let mut bytes = GOOD.encode_to_vec();
        prop_assert!(mpc_sidecar::join::check(&GOOD, "BrokerAMSP").is_ok());
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        if let Ok(request) = wire::JoinRequest::decode(bytes.as_slice()) {
            let checked = mpc_sidecar::join::check(&request, "BrokerAMSP");
            prop_assert!(checked.is_err() || request == *GOOD, "byte {place}");
        }
    }
}

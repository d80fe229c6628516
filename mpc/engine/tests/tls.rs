//! Parties over TLS: the same results, and nobody who is not on the roster.

#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that some helpers are ones

mod world;

use std::{sync::Arc, time::Duration};

use mpc_engine::{
    Error,
    transport::{Endpoint, MAX_FRAME, TlsTransport, Transport, TransportError, Trust},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use world::{
    Circuit, World,
    tls::{identity, members, network},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Long enough for those that should connect, short enough to wait for those that should not.
const IN_VAIN: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn computes_over_tls() {
    for parties in [2, 3, 5] {
        let world = World::new(parties);
        let circuit = Circuit::random(parties, 4, 20, &mut world.rng(100));
        for outcome in world.run_over(network(parties).await, &circuit).await {
            assert_eq!(outcome, Ok(circuit.plain()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_frames_pass_both_ways_at_once_and_longer_ones_are_refused() {
    let network = network(2).await;
    let frame = |party: u8| vec![party; MAX_FRAME];
    let both = [0, 1].map(|me: usize| {
        let network = &network;
        async move {
            network[me].send(1 - me, frame(me as u8)).await.unwrap();
            network[1 - me].receive(me).await.unwrap()
        }
    });
    let received = tokio::time::timeout(PATIENCE, futures_util::future::join_all(both))
        .await
        .unwrap();
    assert!(received == [frame(0), frame(1)]);
    let refused = network[0].send(1, vec![0; MAX_FRAME + 1]).await;
    assert_eq!(
        refused,
        Err(TransportError::FrameTooLong { found: MAX_FRAME + 1 })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_arrives_after_the_sender_is_gone() {
    let mut network = network(2).await;
    let (receiver, sender) = (network.remove(0), network.remove(0));
    for frame in 0..3_u8 {
        sender.send(0, vec![frame; 100_000]).await.unwrap();
    }
    sender.close().await;
    assert_eq!(sender.send(0, vec![]).await, Err(TransportError::Closed));
    drop(sender);
    for frame in 0..3_u8 {
        assert_eq!(receiver.receive(1).await, Ok(vec![frame; 100_000]));
    }
    assert_eq!(receiver.receive(1).await, Err(TransportError::Closed));
}

async fn connect_two(
    roster: [Vec<Endpoint>; 2],
    members: Vec<world::tls::Member>,
) -> [Result<TlsTransport, Error>; 2] {
    let [first, second] = roster;
    let mut members = members.into_iter();
    let (low, high) = (members.next().unwrap(), members.next().unwrap());
    let (low, high) = tokio::join!(low.connect(&first, IN_VAIN), high.connect(&second, IN_VAIN));
    [low, high]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialler_with_another_key_is_refused() {
    let (mut members, roster) = members(2).await;
    members[1].identity = identity();
    let [low, high] = connect_two([roster.clone(), roster], members).await;
    let error = low.err().unwrap();
    assert!(
        matches!(
            &error,
            Error::PeerLost {
                peer: 1,
                step: "connect",
                ..
            }
        ),
        "{error}"
    );
    assert!(matches!(high.err().unwrap(), Error::PeerLost { peer: 0, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_with_another_key_is_refused() {
    let (mut members, roster) = members(2).await;
    members[0].identity = identity();
    let [low, high] = connect_two([roster.clone(), roster], members).await;
    let refused = Error::PeerLost {
        peer: 0,
        step: "connect",
        reason: "another public key".to_owned(),
    };
    assert_eq!(high.err(), Some(refused));
    assert!(matches!(low.err().unwrap(), Error::PeerLost { peer: 1, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_verifier_decides() {
    let accept = Trust::Verifier(Arc::new(|chain| {
        if chain.len() == 1 {
            Ok(())
        } else {
            Err("chain".to_owned())
        }
    }));
    let refuse = Trust::Verifier(Arc::new(|_| Err("revoked".to_owned())));
    let with = |roster: &[Endpoint], trust: &Trust| -> Vec<Endpoint> {
        roster
            .iter()
            .map(|endpoint| Endpoint {
                trust: trust.clone(),
                ..endpoint.clone()
            })
            .collect()
    };

    let (parties, roster) = members(2).await;
    let [low, high] = connect_two([with(&roster, &accept), with(&roster, &accept)], parties).await;
    assert!(low.is_ok() && high.is_ok());

    let (parties, roster) = members(2).await;
    let [_, high] = connect_two([with(&roster, &accept), with(&roster, &refuse)], parties).await;
    let refused = Error::PeerLost {
        peer: 0,
        step: "connect",
        reason: "revoked".to_owned(),
    };
    assert_eq!(high.err(), Some(refused));
}

/// Party 2 holds a key on the roster, but says that it is party 1.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_anothers_place() {
    let (parties, roster) = members(3).await;
    let mut parties = parties.into_iter();
    let (first, second, mut third) = (
        parties.next().unwrap(),
        parties.next().unwrap(),
        parties.next().unwrap(),
    );
    third.me = 1;
    drop(second);
    let (first, _) = tokio::join!(first.connect(&roster, IN_VAIN), third.connect(&roster, IN_VAIN));
    assert!(matches!(first.err().unwrap(), Error::PeerLost { peer: 1, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_no_harm() {
    let (members, roster) = members(2).await;
    let mut stranger = TcpStream::connect(roster[0].address).await.unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let silent = TcpStream::connect(roster[0].address).await.unwrap();
    let connecting = members
        .into_iter()
        .map(|member| member.connect(&roster, PATIENCE));
    let network = futures_util::future::try_join_all(connecting).await.unwrap();
    network[1].send(0, vec![1]).await.unwrap();
    assert_eq!(network[0].receive(1).await, Ok(vec![1]));
    drop(silent);
}

#[tokio::test]
async fn a_roster_out_of_range_is_refused() {
    let (mut parties, roster) = members(2).await;
    let short = parties.remove(0).connect(&roster[..1], IN_VAIN).await;
    assert!(matches!(
        short.err().unwrap(),
        Error::Parameter {
            parameter: "parties in the roster",
            ..
        }
    ));
    let mut second = parties.remove(0);
    second.me = 2;
    assert!(matches!(
        second.connect(&roster, IN_VAIN).await.err().unwrap(),
        Error::Parameter { parameter: "me", .. }
    ));
}

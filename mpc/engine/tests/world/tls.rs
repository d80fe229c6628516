//! A network on loopback with mutual TLS.

use std::time::Duration;

use mpc_engine::{
    Error, PartyId,
    transport::{Endpoint, Identity, TlsTransport, Trust, key_hash},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpListener;

/// What a party starts with.
pub struct Member {
    pub me: PartyId,
    pub listener: TcpListener,
    pub identity: Identity,
}

/// The members of a network of `parties`, each with a key of its own, and the roster that names them.
pub async fn members(parties: usize) -> (Vec<Member>, Vec<Endpoint>) {
    let (mut members, mut roster) = (Vec::new(), Vec::new());
    for me in 0..parties {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let identity = identity();
        let trust = Trust::KeyHash(key_hash(&identity.certificates[0]).unwrap());
        roster.push(Endpoint {
            address: listener.local_addr().unwrap(),
            trust,
        });
        members.push(Member {
            me,
            listener,
            identity,
        });
    }
    (members, roster)
}

/// A fresh key in a certificate of its own.
pub fn identity() -> Identity {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["sidecar".to_owned()]).unwrap();
    let key = signing_key.serialize_der().try_into().unwrap();
    Identity {
        certificates: vec![cert.der().clone()],
        key,
    }
}

impl Member {
    pub async fn connect(self, roster: &[Endpoint], patience: Duration) -> Result<TlsTransport, Error> {
        let Self {
            me,
            listener,
            identity,
        } = self;
        TlsTransport::connect(me, listener, identity, roster, [5; 32], patience).await
    }
}

/// A connected network.
pub async fn network(parties: usize) -> Vec<TlsTransport> {
    let (members, roster) = members(parties).await;
    let connecting = members
        .into_iter()
        .map(|member| member.connect(&roster, Duration::from_secs(60)));
    futures_util::future::try_join_all(connecting).await.unwrap()
}

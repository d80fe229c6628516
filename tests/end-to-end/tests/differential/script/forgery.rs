//! Transactions that no honest client would send: repeated, altered, put together from others.

use devnet::{client::EndorsedTransaction, identity::SigningIdentity};
use fabric_protos::{
    common::{ChannelHeader, Envelope, Payload},
    protos::{ChaincodeActionPayload, Transaction, TransactionAction},
};
use prost::Message;
use serde_json::json;
use step_chaincode::Step;

use crate::{
    bench::{ORGS, run, soon},
    player::{Player, UNNAMED},
    record,
};

const BY: &str = ORGS[0];

pub(crate) async fn play(player: &mut Player<'_>) {
    let identity = player.bench.client(BY).identity().clone();
    let write = |key: &str| [Step::Put(key.into(), "forged".into())];

    let first = player.endorse(BY, UNNAMED, &write("once")).await;
    player
        .order("a transaction twice in a block", &[&first, &first])
        .await;
    let another = player.endorse(BY, UNNAMED, &write("another")).await;
    // Its commit status is that of the first for ever, so it goes along with one that has none yet.
    player
        .order("a transaction again, in a later block", &[&another, &first])
        .await;

    let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
    let three_times = altered_action(&honest, &identity, |action| {
        let endorsed = action.action.as_mut().unwrap();
        let first = endorsed.endorsements[0].clone();
        endorsed.endorsements = vec![first; 3];
    });
    player.order("one endorsement three times", &[&three_times]).await;

    let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
    let flipped = altered_action(&honest, &identity, |action| {
        let endorsement = &mut action.action.as_mut().unwrap().endorsements[0];
        *endorsement.signature.last_mut().unwrap() ^= 1;
    });
    player.order("a flipped bit in an endorsement", &[&flipped]).await;

    let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
    let other = player.endorse(BY, UNNAMED, &write("other")).await;
    let foreign = action_of(&other);
    let mixed = altered_action(&honest, &identity, |action| {
        action.action.clone_from(&foreign.action);
    });
    player.order("endorsements of another proposal", &[&mixed]).await;

    let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
    let unendorsed = altered_action(&honest, &identity, |action| {
        action.action.as_mut().unwrap().endorsements.clear();
    });
    player.order("no endorsement", &[&unendorsed]).await;

    let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
    let garbled = altered_action(&honest, &identity, |action| {
        action
            .action
            .as_mut()
            .unwrap()
            .proposal_response_payload
            .push(0xff);
    });
    player
        .order("an endorsed payload with a byte more", &[&garbled])
        .await;

    let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
    let twice = altered(&honest, &identity, |payload| {
        let mut transaction = Transaction::decode(payload.data.as_slice()).unwrap();
        let action: TransactionAction = transaction.actions[0].clone();
        transaction.actions.push(action);
        payload.data = transaction.encode_to_vec();
    });
    player.order("two actions", &[&twice]).await;

    let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
    let empty = altered(&honest, &identity, |payload| payload.data.clear());
    player.order("no action", &[&empty]).await;

    for (line, change) in [
        ("a signature of somebody else", Change::Signature),
        ("a payload with a field more", Change::Payload),
        ("another channel", Change::Channel),
        ("no payload", Change::Nothing),
    ] {
        let honest = player.endorse(BY, UNNAMED, &write("honest")).await;
        let envelope = match change {
            Change::Signature => Envelope {
                signature: player
                    .bench
                    .client(ORGS[1])
                    .identity()
                    .sign(&honest.envelope.payload),
                ..honest.envelope.clone()
            },
            Change::Payload => Envelope {
                payload: [honest.envelope.payload.as_slice(), &[0x1a, 0]].concat(),
                ..honest.envelope.clone()
            },
            Change::Channel => {
                altered(&honest, &identity, |payload| {
                    let header = payload.header.as_mut().unwrap();
                    let mut channel = ChannelHeader::decode(header.channel_header.as_slice()).unwrap();
                    channel.channel_id = "elsewhere".to_owned();
                    header.channel_header = channel.encode_to_vec();
                })
                .envelope
            }
            Change::Nothing => Envelope::default(),
        };
        let forged = EndorsedTransaction { envelope, ..honest };
        let refused = soon(player.bench.client(BY).submit(&forged)).await;
        let came = refused.map_or_else(|error| record::refusal(&error), |()| json!("taken"));
        player.note(line, came);
    }

    // Proposals: signed by another, altered after signing, of a transaction that is on the ledger.
    let client = player.bench.client(BY);
    let signed = client.sign(&run(&write("a"))).unwrap();
    let mut cases = Vec::new();
    let mut swapped = signed.clone();
    swapped.proposal.signature = player
        .bench
        .client(ORGS[1])
        .identity()
        .sign(&signed.proposal.proposal_bytes);
    cases.push(("a proposal signed by another", swapped));
    let mut cut = signed.clone();
    cut.proposal.proposal_bytes.pop();
    cases.push(("a proposal cut short", cut));
    let mut unsigned = signed.clone();
    unsigned.proposal.signature.clear();
    cases.push(("a proposal without a signature", unsigned));
    for (line, case) in cases {
        let refused = soon(client.endorse_signed(case)).await;
        let came = refused.map_or_else(|error| record::refusal(&error), |_| json!("endorsed"));
        player.note(line, came);
    }
    let again = client.sign(&run(&write("again"))).unwrap();
    let endorsed = soon(client.endorse_signed(again.clone())).await.unwrap();
    player.commit(&[&endorsed]).await;
    let refused = soon(client.endorse_signed(again)).await.err().unwrap();
    player.note("a proposal of a committed transaction", record::refusal(&refused));
}

#[derive(Clone, Copy)]
enum Change {
    Signature,
    Payload,
    Channel,
    Nothing,
}

/// A transaction changed before its client signs it.
fn altered(
    transaction: &EndorsedTransaction,
    identity: &SigningIdentity,
    change: impl FnOnce(&mut Payload),
) -> EndorsedTransaction {
    let mut payload = Payload::decode(transaction.envelope.payload.as_slice()).unwrap();
    change(&mut payload);
    let mut altered = transaction.clone();
    altered.envelope.payload = payload.encode_to_vec();
    altered.envelope.signature = identity.sign(&altered.envelope.payload);
    altered
}

fn altered_action(
    transaction: &EndorsedTransaction,
    identity: &SigningIdentity,
    change: impl FnOnce(&mut ChaincodeActionPayload),
) -> EndorsedTransaction {
    altered(transaction, identity, |payload| {
        let mut decoded = Transaction::decode(payload.data.as_slice()).unwrap();
        let mut action = action_of(transaction);
        change(&mut action);
        decoded.actions[0].payload = action.encode_to_vec();
        payload.data = decoded.encode_to_vec();
    })
}

fn action_of(transaction: &EndorsedTransaction) -> ChaincodeActionPayload {
    let payload = Payload::decode(transaction.envelope.payload.as_slice()).unwrap();
    let decoded = Transaction::decode(payload.data.as_slice()).unwrap();
    ChaincodeActionPayload::decode(decoded.actions[0].payload.as_slice()).unwrap()
}

//! Messages that the cheater alters: the same towards all, and in its own view.

use std::sync::{Arc, Mutex};

use mpc_engine::Step;

use super::{
    caught,
    deviant::{Cheat, SUM, run},
    market,
};
use crate::market::Market;

/// Each message is altered, the same towards all and in the cheater's own view.
#[tokio::test(flavor = "multi_thread")]
async fn altered_messages() {
    type Alteration = fn(&mut Vec<u8>);
    let last: Alteration = |message| *message.last_mut().unwrap() ^= 1;
    let alterations: [(Step, Alteration, &[&str]); 13] = [
        // What follows in the attempt hashes the book's message.
        (Step::PUBLISH, last, &["tie", "mask opening"]),
        (Step::PUBLISH, |message| message[3] ^= 1, &["book count"]),
        // The first order's id: four bytes of count and two of length before it.
        (Step::PUBLISH, |message| message[6] = b'1', &["book digest"]),
        (Step::PUBLISH, |message| message.push(0), &["encoding"]),
        (Step::INPUT, |message| message.truncate(64), &["encoding"]),
        (Step::ANSWER, last, &["level sum"]),
        // The blinding of the proof that they are bits, the last scalar but one.
        (
            Step::ANSWER,
            |message| {
                let bits_blinding = message.len() - 33;
                message[bits_blinding] ^= 1;
            },
            &["bits"],
        ),
        (Step::ANSWER, Vec::clear, &["encoding"]),
        // The blinding of the first row's response: before it come the masked sums, three points, a scalar and a response for
        // each bit.
        (
            Step::ANSWER,
            |message| {
                let responses = 40 * SUM + 3 * 64 + 32;
                message[responses + 32 * market().terms.demand_bits + 31] ^= 1;
            },
            &["rows"],
        ),
        // Masks that are another after the coin, by an even and an odd number.
        (Step::ANSWER, |message| message[SUM - 1] ^= 2, &["mask opening"]),
        (
            Step::ANSWER,
            |message| message[2 * SUM - 1] ^= 1,
            &["mask opening"],
        ),
        // A sum of 2^128 and more bits than there are, and of more than 129 bits.
        (
            Step::ANSWER,
            |message| {
                message[..SUM].fill(0);
                message[0] = 1;
                message[SUM - 1] = 200;
            },
            &["mask range"],
        ),
        (Step::ANSWER, |message| message[0] = 2, &["mask range"]),
    ];
    for (step, alter, checks) in alterations {
        let cheat = Cheat {
            payload: Some(Box::new(move |at, message| {
                if at == step {
                    alter(message);
                }
            })),
            ..Cheat::default()
        };
        caught(&run(&market(), cheat).await, checks);
    }
}

/// As a book goes that is longer than a frame. The parts but the last must be full, and the bound of a book of so many orders holds.
#[tokio::test(flavor = "multi_thread")]
async fn books_in_parts() {
    const PART: usize = 500;
    type Alteration = fn(usize, &mut Vec<u8>);
    let market = Market {
        part_bytes: Some(PART),
        ..market()
    };
    let alterations: [(Alteration, Option<&[&str]>); 4] = [
        (|_, _| {}, None),
        (
            |part, message| {
                if part == 1 {
                    message[0] ^= 1;
                }
            },
            Some(&["tie", "opening", "encoding", "book digest", "book sum"]),
        ),
        (|_, message| message.resize(PART, 0), Some(&["book length"])),
        (|_, message| message.push(0), Some(&["book length"])),
    ];
    for (alter, checks) in alterations {
        let parts = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&parts);
        let cheat = Cheat {
            payload: Some(Box::new(move |at, message| {
                if at == Step::PUBLISH {
                    let mut parts = counted.lock().unwrap();
                    alter(*parts, message);
                    *parts += 1;
                }
            })),
            ..Cheat::default()
        };
        let runs = run(&market, cheat).await;
        match checks {
            Some(checks) => caught(&runs, checks),
            None => {
                let expected = market.expected();
                assert!(runs.iter().all(|(result, _)| result.as_ref() == Ok(&expected)));
                assert!(*parts.lock().unwrap() > 2);
            }
        }
    }
}

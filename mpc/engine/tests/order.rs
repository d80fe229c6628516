//! The order of the messages, which the protocol's soundness rests on.
//!
//! No commitment travels with its opening; no coin is opened before all that it judges has arrived; a broadcast is compared
//! before anything that depends on it is sent.

#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that some helpers are ones

mod world;

use std::sync::{Arc, Mutex};

use mpc_engine::{
    interceptor::{Fate, Interceptor},
    transport::{MemoryTransport, Transport},
};
use world::{Circuit, World};

/// The steps at which party 0 sends to party 1, each with its round. Every round ends when all have received.
async fn steps(parties: usize) -> Vec<(u32, String)> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let network = MemoryTransport::network(parties).into_iter().map(|transport| {
        let (first, sent) = (transport.me() == 0, Arc::clone(&sent));
        Interceptor::new(transport, move |intercepted| {
            if first && intercepted.to == 1 {
                let frame = &intercepted.frame;
                sent.lock().unwrap().push((frame.round, frame.step.clone()));
            }
            Fate::Deliver
        })
    });
    let circuit = Circuit::conjunction(&vec![true; parties]);
    for outcome in World::new(parties).run_over(network.collect(), &circuit).await {
        assert_eq!(outcome, Ok(circuit.plain()));
    }
    let sent = sent.lock().unwrap();
    sent.clone()
}

/// Each line is one round. What stands in brackets is left out between two parties, where nothing can be said to one and not
/// to another.
const ORDER: &str = "
    coin/commitment
    [coin/echo]
    coin/opening        the id of the preprocessing
    --
    base-ot/choice
    base-ot/reply

    [bits/corrections]  one Delta towards all
    [bits/challenge]
    [bits/check]
    [bits/echo]
    [delta/commitment]
    [delta/echo]
    [delta/bits]
    [delta/keys]

    bits/corrections    the bits of triples and masks
    bits/challenge      carries a coin, which the corrections came before
    bits/check
    [bits/echo]
    input/mask
    triple/products
    triple/correction
    coin/opening        the point of the check
    triple/commitment
    [triple/echo]
    triple/check
    coin/opening        the order of the buckets
    triple/buckets
    session             carries a coin: the id of the attempt
    --
    publish
    [publish/echo]
    input
    [input/echo]
    public-coin         judges the payloads of the protocol above
    answer
    and
    open
";

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_in_this_order() {
    for parties in [2, 3] {
        let mut expected = Vec::new();
        let mut round = 0;
        let lines = ORDER.lines().filter_map(|line| line.split_whitespace().next());
        for step in lines {
            let bracketed = step.trim_matches(['[', ']']);
            if step == "--" {
                // Under the id that was drawn, rounds are counted anew.
                round = 0;
            } else if parties > 2 || bracketed == step {
                // One conjunction for each party but the first.
                for _ in 0..if step == "and" { parties - 1 } else { 1 } {
                    expected.push((round, bracketed.to_owned()));
                    round += 1;
                }
            }
        }
        assert_eq!(steps(parties).await, expected, "{parties} parties");
    }
}

//! Rounds of probes: other bits, masks and answers than an honest party's.

use std::sync::{Arc, Mutex};

use mpc_engine::{
    Error, Step,
    interceptor::{Fate, Interceptor},
    transport::MemoryTransport,
};
use order_commitments::binding::Mask;

use super::{
    CHEATER, caught,
    deviant::{Cheat, SUM, run, run_over},
    market,
};
use crate::{ClearingError, market::Market};

fn other_input(bit: usize) -> Cheat {
    Cheat {
        inputs: Some(Box::new(move |inputs| inputs[bit] = !inputs[bit])),
        ..Cheat::default()
    }
}

/// Bits of a demand, and the parity of a mask.
#[tokio::test(flavor = "multi_thread")]
async fn other_inputs_than_those_committed_to() {
    for bit in [0, 3, 7] {
        caught(&run(&market(), other_input(bit)).await, &["parity"]);
    }
}

/// The demand is 20 at the first probe, which is level 3.
#[tokio::test(flavor = "multi_thread")]
async fn other_rows_than_the_demand() {
    type Alteration = fn(&mut Vec<u64>, &mut Vec<Mask>);
    let alterations: [(Alteration, &[&str]); 3] = [
        // 21, and 16 + 2 * 2.
        (|bits, _| bits[0] = 1, &["level sum"]),
        (
            |bits, _| {
                bits[2] = 0;
                bits[1] = 2;
            },
            &["bits"],
        ),
        (|bits, _| bits.fill(0), &["level sum"]),
    ];
    for (alter, checks) in alterations {
        let cheat = Cheat {
            rows: Some(Box::new(alter)),
            ..Cheat::default()
        };
        caught(&run(&market(), cheat).await, checks);
    }
}

/// Honest demands, and carries that do not show that they fall.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_that_is_not_shown_to_fall() {
    let market = Market::new(60, 3, &[&[50, 40, 7], &[40, 20, 20], &[30, 0, 0]]);
    let cheat = Cheat {
        carries: true,
        ..Cheat::default()
    };
    for (party, (result, _)) in run(&market, cheat).await.iter().enumerate() {
        assert!(
            matches!(result, Err(ClearingError::DemandRises { party: CHEATER, .. })),
            "party {party}: {result:?}"
        );
    }
}

/// The proof of a demand at another level than the one that is probed.
#[tokio::test(flavor = "multi_thread")]
async fn another_probe() {
    let cheat = Cheat {
        probes: Some(|level| level + 1),
        ..Cheat::default()
    };
    caught(&run(&market(), cheat).await, &["mask opening"]);
}

/// With masks of the group's order less one and a single bit that is set, a masked sum is 0 with the bit and the order less one without
/// it: even in both cases, and whatever was put into the computation would pass if masked sums were not checked to be small.
#[tokio::test(flavor = "multi_thread")]
async fn masks_of_minus_one_with_a_bit_of_weight_one() {
    let alone = Market::new(60, 1, &[&[50, 40, 7], &[64, 64, 64], &[30, 0, 0]]);
    let cheat = Cheat {
        rows: Some(Box::new(|_, masks| masks.fill(Mask::Negative(1)))),
        inputs: Some(Box::new(|inputs| inputs.fill(false))),
        ..Cheat::default()
    };
    caught(&run(&alone, cheat).await, &["mask range"]);
    // Two bits: a sum with one of them wraps to 0, and one with both to 1.
    let cheat = Cheat {
        rows: Some(Box::new(|_, masks| masks[39] = Mask::Negative(1))),
        ..Cheat::default()
    };
    caught(&run(&market(), cheat).await, &["mask range", "parity"]);
}

/// The cheater has no demand, so that its masked sums are its masks. In a round it puts in 7 bits.
#[tokio::test(flavor = "multi_thread")]
async fn a_masked_sum_just_below_at_and_above_its_bound() {
    let market = Market::new(60, 1, &[&[50, 40, 7], &[0, 0, 0], &[30, 30, 0]]);
    assert_eq!(market.terms.demand_bits, 7);
    for (mask, within) in [
        (Mask::Number(0), true),
        (Mask::Number(u128::MAX), true),
        (Mask::Beyond(0), true),
        (Mask::Beyond(6), true),
        (Mask::Beyond(7), false),
        (Mask::Beyond(8), false),
        (Mask::Beyond(u128::MAX), false),
        (Mask::Negative(1), false),
    ] {
        let cheat = Cheat {
            rows: Some(Box::new(move |_, masks| masks[17] = mask)),
            ..Cheat::default()
        };
        let runs = run(&market, cheat).await;
        if within {
            let expected = market.expected();
            assert!(
                runs.iter().all(|(result, _)| result.as_ref() == Ok(&expected)),
                "{mask:?}"
            );
        } else {
            caught(&runs, &["mask range"]);
        }
    }
}

/// The group's order and 5, which is the same scalar as the masked sum 5: it has no place in the message, and its lowest bytes are
/// another number.
#[tokio::test(flavor = "multi_thread")]
async fn a_masked_sum_plus_the_groups_order() {
    const ORDER_AND_5: [u8; 33] = {
        let mut bytes = *b"\x00\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\
                           \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
        bytes[32] += 5;
        bytes
    };
    let market = Market::new(60, 1, &[&[50, 40, 7], &[0, 0, 0], &[30, 30, 0]]);
    for (with, checks) in [
        (&ORDER_AND_5[..], ["encoding", "mask range"]),
        (&ORDER_AND_5[33 - SUM..], ["mask opening", "mask range"]),
    ] {
        let cheat = Cheat {
            rows: Some(Box::new(|_, masks| masks[0] = Mask::Number(5))),
            payload: Some(Box::new(move |at, message| {
                if at == Step::ANSWER {
                    assert_eq!(message[SUM - 1], 5);
                    message.splice(..SUM, with.iter().copied());
                }
            })),
            ..Cheat::default()
        };
        caught(&run(&market, cheat).await, &checks);
    }
}

/// Other inputs, and masked sums that have the parities of these: other masks, that is, which are chosen after the coin.
#[tokio::test(flavor = "multi_thread")]
async fn masks_chosen_after_the_coin() {
    let cheat = Cheat {
        sum: Some(Arc::new(|subset, sum| sum[SUM - 1] ^= u8::from(subset[3]))),
        ..other_input(3)
    };
    caught(&run(&market(), cheat).await, &["mask opening"]);
}

/// A parity that the cheater opens as another, after the coin: its share has a MAC.
#[tokio::test(flavor = "multi_thread")]
async fn parities_chosen_after_the_coin() {
    let network = MemoryTransport::network(3).into_iter().enumerate();
    let network = network.map(|(party, transport)| {
        Interceptor::new(transport, move |intercepted| {
            if party == CHEATER && intercepted.is_step(Step::ANSWER) {
                intercepted.frame.message[0] ^= 1;
            }
            Fate::Deliver
        })
    });
    let runs = run_over(&market(), network.collect(), Cheat::default()).await;
    for party in [0, 2] {
        match &runs[party].0 {
            Err(ClearingError::Engine(Error::CheckFailed { check, suspects })) => {
                assert_eq!((*check, suspects.as_slice()), ("answer", [CHEATER].as_slice()));
            }
            Err(ClearingError::Engine(Error::GaveUp { .. })) => {}
            other => panic!("party {party}: {other:?}"),
        }
        assert_eq!(runs[party].1, [], "party {party}");
    }
}

/// An answer that is right for one honest party and wrong for another, or wrong for both: who finds it wrong sends no share of the
/// outcome, so that nobody has all of them.
#[tokio::test(flavor = "multi_thread")]
async fn no_share_of_an_outcome_is_sent_where_a_proof_is_wrong() {
    for deceived in [&[2][..], &[0, 2]] {
        let sent: [Arc<Mutex<usize>>; 3] = Default::default();
        let network = MemoryTransport::network(3).into_iter().enumerate();
        let network = network.map(|(party, transport)| {
            let sent = Arc::clone(&sent[party]);
            Interceptor::new(transport, move |intercepted| {
                let lies = party == CHEATER && deceived.contains(&intercepted.to);
                if lies && intercepted.is_step(Step::ANSWER) {
                    *intercepted.frame.message.last_mut().unwrap() ^= 1;
                }
                // In the first round nothing but the outcome is opened: no level next to the one probed is known yet.
                if intercepted.is_step(Step::OPEN) {
                    *sent.lock().unwrap() += 1;
                }
                Fate::Deliver
            })
        });
        caught(
            &run_over(&market(), network.collect(), Cheat::default()).await,
            &["level sum"],
        );
        for &party in deceived {
            assert_eq!(*sent[party].lock().unwrap(), 0, "party {party}");
        }
    }
}

/// With 4 repetitions in place of 40 a changed input passes one time in 16: whenever it is in none of the 4 subsets, and never else.
/// The demand that was put in then counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_toy_number_of_repetitions_lets_a_cheat_pass_one_time_in_16() {
    let market = |demand| {
        let market = Market::new(60, 1, &[&[50], &[demand], &[30]]);
        Market {
            repetitions: Some(4),
            ..market
        }
    };
    // 20 without its bit of 16.
    let (proven, put_in, bit) = (20, 4, 4);
    let expected = market(put_in).expected();
    assert_ne!(expected, market(proven).expected());
    let (mut passed, mut refused) = (0, 0);
    // That all of 400 runs are refused happens one time in 10^11.
    while passed == 0 || refused == 0 {
        assert!(passed + refused < 400, "{passed} passed, {refused} were refused");
        let hit = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&hit);
        let cheat = Cheat {
            sum: Some(Arc::new(move |subset, _| seen.lock().unwrap().push(subset[bit]))),
            ..other_input(bit)
        };
        let runs = run(&market(proven), cheat).await;
        let hit = hit.lock().unwrap();
        assert_eq!(hit.len(), 4);
        if hit.contains(&true) {
            caught(&runs, &["parity"]);
            refused += 1;
        } else {
            assert!(runs.iter().all(|(result, _)| result.as_ref() == Ok(&expected)));
            passed += 1;
        }
    }
}

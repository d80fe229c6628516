//! An attempt's states, ids and ends.

#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that some helpers are ones

mod world;

use std::time::Duration;

use futures_util::future::join_all;
use mpc_engine::{
    Demand, Error, Gates, Online, Preprocessed, SecretBit, Setup, Step, Terms,
    interceptor::{Fate, Interceptor},
    transport::{MemoryTransport, Transport},
};
use world::World;

const PATIENCE: Duration = Duration::from_secs(60);

async fn set_up<T: Transport>(
    network: Vec<T>,
    purpose: impl Fn(usize) -> [u8; 32],
) -> Vec<Result<Setup<T>, Error>> {
    join_all(network.into_iter().enumerate().map(|(party, transport)| {
        let terms = Terms {
            purpose: purpose(party),
            patience: PATIENCE,
        };
        async move { Setup::run(transport, &terms).await }
    }))
    .await
}

async fn preprocess<T: Transport>(network: Vec<T>, demand: &Demand) -> Vec<Preprocessed<T>> {
    let setups = set_up(network, |_| [1; 32]).await.into_iter().map(Result::unwrap);
    let made = join_all(setups.map(|setup| setup.preprocess(demand))).await;
    made.into_iter().map(Result::unwrap).collect()
}

async fn start<T: Transport>(
    preprocessed: Vec<Preprocessed<T>>,
    session: impl Fn(usize) -> ([u8; 32], u32),
) -> Vec<Result<Online<T>, Error>> {
    join_all(preprocessed.into_iter().enumerate().map(|(party, preprocessed)| {
        let (session, counter) = session(party);
        async move { preprocessed.start(&session, counter).await }
    }))
    .await
}

async fn online(parties: usize, demand: &Demand) -> Vec<Online<MemoryTransport>> {
    let preprocessed = preprocess(MemoryTransport::network(parties), demand).await;
    start(preprocessed, |_| ([2; 32], 0))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

fn inputs(counts: &[usize]) -> Demand {
    Demand {
        triples: 0,
        inputs: counts.to_vec(),
    }
}

#[tokio::test]
async fn ids_are_shared_by_the_parties_and_new_for_every_attempt() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let setups = set_up(MemoryTransport::network(3), |_| [1; 32]).await;
        let setups: Vec<_> = setups.into_iter().map(Result::unwrap).collect();
        assert!(setups.iter().all(|setup| setup.id() == setups[0].id()));
        ids.push(*setups[0].id());
        let demand = inputs(&[1, 1, 1]);
        let made = join_all(setups.into_iter().map(|setup| setup.preprocess(&demand))).await;
        let online = start(made.into_iter().map(Result::unwrap).collect(), |_| ([2; 32], 0)).await;
        let attempts: Vec<_> = online
            .iter()
            .map(|online| *online.as_ref().unwrap().attempt())
            .collect();
        assert!(attempts.iter().all(|attempt| *attempt == attempts[0]));
        ids.push(attempts[0]);
    }
    for (index, id) in ids.iter().enumerate() {
        assert!(ids[..index].iter().all(|other| other != id));
    }
}

#[tokio::test]
async fn parties_for_different_purposes_refuse_each_other() {
    let setups = set_up(MemoryTransport::network(2), |party| [party as u8; 32]).await;
    for (party, setup) in setups.into_iter().enumerate() {
        let error = setup.err().unwrap();
        assert!(
            matches!(error, Error::WrongMessage { peer, .. } if peer == 1 - party),
            "{error}"
        );
    }
}

#[tokio::test]
async fn another_session_or_attempt_is_named() {
    for other in [([9; 32], 0), ([2; 32], 1)] {
        let preprocessed = preprocess(MemoryTransport::network(3), &inputs(&[0; 3])).await;
        let online = start(
            preprocessed,
            |party| if party == 1 { other } else { ([2; 32], 0) },
        )
        .await;
        let failed = |suspects: &[usize]| {
            Some(Error::CheckFailed {
                check: Step::SESSION.name(),
                suspects: suspects.to_vec(),
            })
        };
        let errors: Vec<_> = online.into_iter().map(Result::err).collect();
        assert_eq!(errors, [failed(&[1]), failed(&[0, 2]), failed(&[1])]);
    }
}

#[tokio::test]
async fn what_was_preprocessed_runs_out() {
    let mut parties = online(
        2,
        &Demand {
            triples: 1,
            inputs: vec![2, 1],
        },
    )
    .await;
    let running = parties.iter_mut().map(|online| async move {
        let mine = vec![true; [2, 1][online.me()]];
        let bits = online.input(&mine, &[2, 1]).await.unwrap().concat();
        assert_eq!((online.inputs_left(0), online.inputs_left(1)), (0, 0));
        // More than the demand is made, in whole batches.
        let left = online.triples_left();
        assert!(left >= 1);
        let pairs = vec![(bits[0].clone(), bits[2].clone()); left + 1];
        let exhausted = Error::Exhausted {
            what: "triples",
            wanted: left + 1,
            left,
        };
        assert_eq!(online.and(&pairs).await.unwrap_err(), exhausted);
        // That was found before anything was used or sent.
        let products = online.and(&pairs[1..]).await.unwrap();
        assert_eq!(online.open(&products).await, Ok(vec![true; left]));
        let exhausted = Error::Exhausted {
            what: "triples",
            wanted: 1,
            left: 0,
        };
        assert_eq!(online.and(&pairs[..1]).await.unwrap_err(), exhausted);
        let more = [vec![], vec![true]];
        let exhausted = Error::Exhausted {
            what: "input masks",
            wanted: 1,
            left: 0,
        };
        assert_eq!(
            online.input(&more[online.me()], &[0, 1]).await.unwrap_err(),
            exhausted
        );
    });
    join_all(running).await;
}

/// So many inputs that their masks take two batches of their own, beside one of triples.
#[tokio::test(flavor = "multi_thread")]
async fn many_inputs_are_masked_in_batches_of_their_own() {
    const COUNT: usize = 110_000;
    let value = |party: usize, index: usize| (index * 7 + party * 5 + index / 1_000).is_multiple_of(3);
    let demand = Demand {
        triples: 2,
        inputs: vec![COUNT; 3],
    };
    let running = online(3, &demand).await.into_iter().map(|mut online| {
        tokio::spawn(async move {
            let me = online.me();
            let mine: Vec<_> = (0..COUNT).map(|index| value(me, index)).collect();
            let mut bits = online.input(&mine, &[COUNT; 3]).await.unwrap().concat();
            // The last masks of the first and the last party, of different batches.
            let (first, last) = (bits[COUNT - 1].clone(), bits[3 * COUNT - 1].clone());
            let complements = (online.not(&first), online.not(&last));
            bits.extend(online.and(&[(first, last), complements]).await.unwrap());
            online.open(&bits).await
        })
    });
    let mut expected: Vec<_> = (0..3 * COUNT)
        .map(|index| value(index / COUNT, index % COUNT))
        .collect();
    let (first, last) = (expected[COUNT - 1], expected[3 * COUNT - 1]);
    expected.extend([first & last, !first & !last]);
    for opened in join_all(running).await {
        assert!(opened.unwrap().unwrap() == expected);
    }
}

/// Payloads, transcripts and coins are the same for all parties, masked bits are known before they are sent, and nothing of it
/// is that of another round or attempt. More coins are tossed than are committed to at once.
#[tokio::test]
async fn what_is_public_is_the_same_for_all_and_new_every_time() {
    const ROUNDS: usize = 40;
    let mut seen = std::collections::BTreeSet::new();
    for parties in [2, 3] {
        for _ in 0..2 {
            let counts = vec![ROUNDS; parties];
            let running = online(parties, &inputs(&counts))
                .await
                .into_iter()
                .map(|mut online| {
                    tokio::spawn(async move {
                        let me = online.me();
                        let mut public = vec![*online.attempt()];
                        for round in 0..ROUNDS {
                            let value = |party: usize| (party + round).is_multiple_of(3);
                            let masked = online.mask(&[value(me)], &vec![1; parties]).unwrap();
                            let sent = masked.bits().to_vec();
                            let given = online.input_masked(masked, vec![me as u8; round]).await.unwrap();
                            assert_eq!(given.masked[me], sent);
                            for (party, payload) in given.payloads.iter().enumerate() {
                                assert_eq!(*payload, vec![party as u8; round]);
                            }
                            public.extend([given.transcript, online.coin().await.unwrap()]);
                            let (opened, answers) = online
                                .answer(&given.bits.concat(), vec![me as u8; 2 * round])
                                .await
                                .unwrap();
                            assert_eq!(opened, (0..parties).map(value).collect::<Vec<_>>());
                            for (party, answer) in answers.iter().enumerate() {
                                assert_eq!(*answer, vec![party as u8; 2 * round]);
                            }
                        }
                        public
                    })
                });
            let public: Vec<_> = join_all(running).await.into_iter().map(Result::unwrap).collect();
            assert!(public.iter().all(|other| *other == public[0]));
            assert!(public[0].iter().all(|value| seen.insert(*value)));
        }
    }
}

#[tokio::test]
async fn wrong_arguments_are_refused() {
    let setups = set_up(MemoryTransport::network(2), |_| [1; 32]).await;
    for setup in setups {
        let error = setup.unwrap().preprocess(&inputs(&[1, 1, 1])).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Parameter {
                    parameter: "inputs",
                    ..
                }
            ),
            "{error}"
        );
    }
    for parties in [1, 17] {
        let transport = MemoryTransport::network(parties).remove(0);
        let error = Setup::run(transport, &World::new(parties).terms())
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::Parameter {
                    parameter: "parties",
                    ..
                }
            ),
            "{error}"
        );
    }
    for mut online in online(2, &inputs(&[1, 1])).await {
        let error = online.input(&[true], &[1]).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Parameter {
                    parameter: "counts",
                    ..
                }
            ),
            "{error}"
        );
        let error = online.input(&[], &[1, 1]).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Parameter {
                    parameter: "mine",
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_error_ends_the_attempt() {
    let network = MemoryTransport::network(2).into_iter().map(|transport| {
        let cheats = transport.me() == 1;
        Interceptor::new(transport, move |intercepted| {
            if cheats && intercepted.is_step(Step::OPEN) {
                intercepted.frame.message[0] ^= 1;
            }
            Fate::Deliver
        })
    });
    let preprocessed = preprocess(
        network.collect(),
        &Demand {
            triples: 5,
            inputs: vec![1, 1],
        },
    )
    .await;
    let parties = start(preprocessed, |_| ([2; 32], 0))
        .await
        .into_iter()
        .map(Result::unwrap);
    let running = parties.map(|mut online| async move {
        let bits = online.input(&[true], &[1, 1]).await.unwrap().concat();
        let opened = online.open(&bits).await;
        (online, bits, opened)
    });
    let (mut online, bits, opened) = join_all(running).await.remove(0);
    assert_eq!(
        opened,
        Err(Error::CheckFailed {
            check: "open",
            suspects: vec![1]
        })
    );
    assert_eq!((online.triples_left(), online.inputs_left(0)), (0, 0));
    assert_eq!(online.open(&bits).await, Err(Error::Ended));
    assert_eq!(
        online
            .and(&[(bits[0].clone(), bits[1].clone())])
            .await
            .unwrap_err(),
        Error::Ended
    );
    assert_eq!(online.input(&[], &[0, 0]).await.unwrap_err(), Error::Ended);
    assert_eq!(online.mask(&[], &[0, 0]).unwrap_err(), Error::Ended);
    assert_eq!(online.publish(Vec::new()).await, Err(Error::Ended));
    assert_eq!(online.coin().await, Err(Error::Ended));
    assert_eq!(online.answer(&bits, Vec::new()).await, Err(Error::Ended));
}

/// What a party holds shows nothing of itself when it is printed.
#[tokio::test]
async fn debug_shows_nothing() {
    let online = online(2, &inputs(&[1, 1])).await;
    assert_eq!(format!("{:?}", online[0]), "Online(..)");
    let bit: SecretBit = online[0].constant(true);
    assert_eq!(format!("{bit:?}"), "SecretBit(..)");
}

/// Rounds and bytes are counted, and the same for all parties of a symmetric run.
#[tokio::test]
async fn stats_count_what_is_sent() {
    let mut parties = online(3, &inputs(&[8; 3])).await;
    let before: Vec<_> = parties.iter().map(Online::stats).collect();
    assert!(before.iter().all(|stats| *stats == before[0]));
    let running = parties.iter_mut().map(|online| online.input(&[true; 8], &[8; 3]));
    let inputs = join_all(running).await;
    for (online, bits) in parties.iter_mut().zip(inputs) {
        assert_eq!(bits.unwrap().len(), 3);
        let stats = online.stats();
        assert_eq!(stats.rounds, before[0].rounds + 2);
        assert_eq!(stats.messages_sent, before[0].messages_sent + 4);
        // Two headers with the steps' names; one byte of masked bits, three digests.
        let frames = (22 + "input".len() + 1) + (22 + "input/echo".len() + 96);
        assert_eq!(stats.bytes_sent, before[0].bytes_sent + 2 * frames as u64);
    }
    let (transport, stats) = parties.remove(2).finish();
    assert_eq!((transport.me(), stats.rounds), (2, before[0].rounds + 2));
}

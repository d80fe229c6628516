//! Cheaters that altered messages cannot imitate: parties with different secrets towards different peers.

use std::time::Duration;

use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{bits, delta};

mod judged_by_coins;

use crate::{
    Error, PartyId,
    block::{BLOCK_BYTES, Block},
    generator::Generator,
    interceptor::{Fate, Intercepted, Interceptor},
    links::Links,
    opening::open,
    setup::State,
    shares::{Shares, packed_len},
    step::Step,
    transport::MemoryTransport,
};

const CHEATER: PartyId = 1;

type Network = Interceptor<MemoryTransport>;

/// A seed that the test's output names.
fn seed() -> u64 {
    let seed = getrandom::u64().unwrap();
    eprintln!("seed {seed}");
    seed
}

/// Parties whose base transfers are done, each with the Deltas that `deltas` makes of its own one.
async fn establish(parties: usize, deltas: impl Fn(PartyId, Block) -> Vec<Block>) -> Vec<State<Network>> {
    establish_with(parties, deltas, |_| Fate::Deliver).await
}

/// The same, with `rule` between the cheater and its network.
async fn establish_with(
    parties: usize,
    deltas: impl Fn(PartyId, Block) -> Vec<Block>,
    rule: impl FnMut(Intercepted<'_>) -> Fate + Send + 'static,
) -> Vec<State<Network>> {
    establish_from(seed(), parties, deltas, rule).await
}

/// The same, all randomness from one seed: what honest parties send is the same every time.
async fn establish_from(
    seed: u64,
    parties: usize,
    deltas: impl Fn(PartyId, Block) -> Vec<Block>,
    rule: impl FnMut(Intercepted<'_>) -> Fate + Send + 'static,
) -> Vec<State<Network>> {
    let mut rule = Some(rule);
    let states = MemoryTransport::network(parties)
        .into_iter()
        .enumerate()
        .map(|(me, transport)| {
            let mut rule = if me == CHEATER { rule.take() } else { None };
            let transport = Interceptor::new(transport, move |intercepted| {
                rule.as_mut().map_or(Fate::Deliver, |rule| rule(intercepted))
            });
            let mut rng =
                Generator::new(&Sha256::digest([seed, me as u64].map(u64::to_le_bytes).concat()).into());
            let deltas = deltas(me, Block::random(&mut rng));
            async move {
                let links = Links::new(transport, &[0; 32], Duration::from_secs(60)).unwrap();
                State::establish(links, &[0; 32], rng, &deltas).await.unwrap()
            }
        });
    join_all(states).await
}

/// Authenticates 100 bits of each party, with the choices that `alter` makes of a party's own ones for each peer.
async fn authenticate(
    states: &mut [State<Network>],
    alter: impl Fn(PartyId, PartyId, &mut Vec<bool>),
) -> Vec<Result<Shares, Error>> {
    let parties = states.len();
    let counts = vec![100; parties];
    let running = states.iter_mut().enumerate().map(|(me, state)| {
        let own = bits::draw(&mut state.rng, 100);
        let choices = (0..parties).map(|peer| {
            let mut choices = Zeroizing::new(own.to_vec());
            alter(me, peer, &mut choices);
            choices.into()
        });
        let (choices, counts) = (choices.collect(), counts.clone());
        async move {
            let result = bits::authenticate(state, &counts, choices).await;
            state.ended(result).await
        }
    });
    join_all(running).await
}

#[tokio::test]
async fn bits_are_authenticated_towards_all() {
    let mut states = establish(3, |_, delta| vec![delta; 3]).await;
    for _ in 0..2 {
        let shares: Vec<Shares> = authenticate(&mut states, |_, _, _| {})
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        for (me, mine) in shares.iter().enumerate() {
            assert_eq!(mine.len(), 100);
            for peer in (0..3).filter(|peer| *peer != me) {
                for (index, bit) in mine.bits.iter().enumerate() {
                    let key = shares[peer].keys[me][index];
                    assert_eq!(mine.macs[peer][index], key ^ states[peer].delta.times(*bit));
                }
            }
        }
    }
}

/// One bit differs between two peers: in the hash of the bits one of them has another sum than was shown to all.
#[tokio::test]
async fn different_bits_to_two_peers_are_caught() {
    for bit in [0, 99, 100, 227] {
        let mut states = establish(3, |_, delta| vec![delta; 3]).await;
        let alter = |me: PartyId, peer: PartyId, bits: &mut Vec<bool>| {
            if me == CHEATER && peer == 2 {
                bits[bit] ^= true;
            }
        };
        let outcomes = authenticate(&mut states, alter).await;
        // Shown to party 2 was the sum of its own bits, which have the right MACs; the echo tells that party 0 was
        // shown another.
        let check = Step::BITS_ECHO.name();
        let error = |suspects| Some(Error::CheckFailed { check, suspects });
        assert_eq!(
            outcomes[0].as_ref().err().cloned(),
            error(vec![1, 2]),
            "bit {bit}"
        );
        assert_eq!(
            outcomes[2].as_ref().err().cloned(),
            error(vec![0, 1]),
            "bit {bit}"
        );
    }
}

/// The cheater shows both peers the hash of the same bits, and cannot have MACs for both.
#[tokio::test]
async fn different_bits_under_one_hash_are_caught() {
    let mut shown = None;
    let rule = move |intercepted: Intercepted<'_>| {
        if intercepted.is_step(Step::BITS_CHECK) {
            let message = &mut intercepted.frame.message;
            let hash = message.len() - BLOCK_BYTES;
            match &shown {
                None => shown = Some(message[hash..].to_vec()),
                Some(shown) => message[hash..].copy_from_slice(shown),
            }
        }
        Fate::Deliver
    };
    let mut states = establish_with(3, |_, delta| vec![delta; 3], rule).await;
    let alter = |me: PartyId, peer: PartyId, bits: &mut Vec<bool>| {
        if me == CHEATER && peer == 2 {
            bits[5] ^= true;
        }
    };
    let outcomes = authenticate(&mut states, alter).await;
    let error = Error::CheckFailed {
        check: Step::BITS_CHECK.name(),
        suspects: vec![CHEATER],
    };
    assert_eq!(outcomes[2].as_ref().err(), Some(&error));
    assert!(outcomes[0].is_err());
}

#[tokio::test]
async fn different_deltas_to_two_peers_are_caught() {
    for _ in 0..3 {
        let two_faced = |me: PartyId, delta: Block| {
            let mut deltas = vec![delta; 3];
            if me == CHEATER {
                deltas[2] = delta ^ Block(1 << 77);
            }
            deltas
        };
        let mut states = establish(3, two_faced).await;
        let running = states.iter_mut().map(|state| async move {
            let result = delta::check(state).await;
            state.ended(result).await
        });
        let outcomes = join_all(running).await;
        let check = Step::DELTA_KEYS.name();
        for (party, suspects) in [(0, vec![1, 2]), (2, vec![0, 1])] {
            assert_eq!(
                outcomes[party],
                Err(Error::CheckFailed { check, suspects }),
                "party {party}"
            );
        }
    }
}

/// The cheater shows a wrong bit, or a wrong MAC under the Delta of party 0 or 2, and has committed to that. Whose Delta it is
/// finds the MAC wrong, before it opens a sum of its own keys for bits that it was lied to about.
#[tokio::test]
async fn a_lie_that_was_committed_to_is_caught_by_the_macs() {
    // After a nonce, 64 bits and for each other party as many MACs.
    let (bits, macs) = (32, 32 + packed_len(64));
    for (lie, who_sees_it) in [
        (bits + 3, vec![0, 2]),
        (macs + 5 * BLOCK_BYTES, vec![0]),
        (macs + (64 + 63) * BLOCK_BYTES, vec![2]),
    ] {
        let mut states = establish(3, |_, delta| vec![delta; 3]).await;
        let running = states.iter_mut().enumerate().map(|(me, state)| async move {
            let alter = |shown: &mut [u8]| shown[lie] ^= u8::from(me == CHEATER);
            let result = delta::check_showing(state, alter).await;
            state.ended(result).await
        });
        let results = join_all(running).await;
        for party in who_sees_it {
            let failed = Error::CheckFailed {
                check: Step::DELTA_BITS.name(),
                suspects: vec![CHEATER],
            };
            assert_eq!(results[party], Err(failed), "byte {lie}, party {party}");
        }
        assert!(results.iter().all(Result::is_err), "byte {lie}");
    }
}

/// A cheater opens another bit than it has a MAC for, and hashes what it then sends as an honest party would. Only the MAC
/// gives it away.
#[tokio::test]
async fn a_share_without_its_mac_is_not_opened() {
    // The hash takes MACs by 64.
    for lie in [0, 63, 64, 99] {
        let mut states = establish(2, |_, delta| vec![delta; 2]).await;
        let shares = authenticate(&mut states, |_, _, _| {}).await;
        let running = states
            .iter_mut()
            .zip(shares)
            .enumerate()
            .map(|(me, (state, shares))| async move {
                let mut shares = shares.unwrap();
                shares.bits[lie] ^= me == CHEATER;
                let State { links, id, delta, .. } = state;
                open(links, Step::OPEN, id, **delta, &shares).await
            });
        let opened = join_all(running).await;
        let failed = Error::CheckFailed {
            check: Step::OPEN.name(),
            suspects: vec![CHEATER],
        };
        assert_eq!(opened[0], Err(failed), "bit {lie}");
        assert!(opened[CHEATER].is_ok());
    }
}

#[tokio::test]
async fn one_delta_passes() {
    for parties in [2, 4] {
        let mut states = establish(parties, |_, delta| vec![delta; parties]).await;
        assert!(
            join_all(states.iter_mut().map(delta::check))
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
}

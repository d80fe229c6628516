//! What may be called, by whom, with what.

use proptest::prelude::*;

use crate::world::{A, B, BANK, CENTRAL};

/// An organisation that uses the contract, but takes part in no listing.
pub(crate) const OTHER: &str = "OtherMSP";
pub(crate) const CALLERS: [&str; 5] = [A, B, BANK, CENTRAL, OTHER];

/// Order ids: few, so that they meet again.
pub(crate) const IDS: [&str; 4] = ["o0", "o1", "o2", "o3"];

/// What an order asks for, price and quantity; the last three break a rule.
pub(crate) const SCHEDULES: [&[(u64, u64)]; 8] = [
    &[(500, 300)],
    &[(1000, 500)],
    &[(600, 1_000), (800, 200)],
    &[(700, 400), (900, 110)],
    &[(500, 1_000), (700, 600), (1000, 30)],
    &[(550, 100)],
    &[(600, 100), (700, 110)],
    &[(600, 105)],
];
pub(crate) const GOOD_SCHEDULES: usize = 5;

/// A listing and who calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) sale: usize,
    pub(crate) by: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) enum Call {
    Mint {
        by: &'static str,
        to: &'static str,
        amount: u64,
    },
    /// Spends the first `coins` outputs of `of`; pays `amount` to `to`, keeps the rest.
    Transfer {
        by: &'static str,
        of: &'static str,
        coins: usize,
        to: &'static str,
        amount: u64,
    },
    Burn {
        by: &'static str,
        coins: usize,
        amount: u64,
    },
    Deposit {
        here: Here,
        of: &'static str,
        coins: usize,
        amount: u64,
    },
    Release(Here),
    Create {
        here: Here,
        id: usize,
        schedule: usize,
    },
    Submit {
        here: Here,
        ids: Vec<usize>,
    },
    Cancel {
        here: Here,
        ids: Vec<usize>,
    },
    Replace {
        here: Here,
        old: usize,
        new: usize,
    },
    /// Creates an order and puts it in another's place.
    Change {
        here: Here,
        old: usize,
        new: usize,
        schedule: usize,
    },
    /// Creates and submits at once, so that books fill.
    Place {
        here: Here,
        id: usize,
        schedule: usize,
    },
    Close(Here),
    Withdraw(Here),
    Freeze(Here),
    Join(Here),
    /// The sidecars found what the books say.
    Sell(Here),
    /// The sidecars say that A gets `first` tens of shares of `sold` tens, at the lowest price.
    SellAs {
        here: Here,
        sold: u64,
        first: u64,
    },
    Record(Here),
    ReadOwn(Here),
    Export(Here),
    Purge(Here),
    Settle {
        here: Here,
        of: &'static str,
    },
    Default {
        here: Here,
        of: &'static str,
    },
    /// 17:00: no orders from here on.
    PassClose,
    PassDeadline,
}

fn anybody() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&CALLERS[..])
}

/// Mostly the one who may, at times anybody.
fn mostly(who: &'static str) -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(who), 1 => anybody()]
}

fn broker() -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => Just(A), 9 => Just(B), 1 => anybody()]
}

/// Mostly twice the same, at times any two.
fn own() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop_oneof![9 => broker().prop_map(|who| (who, who)), 1 => (anybody(), anybody())]
}

fn here(by: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Here> {
    // One of the two gets most of the calls, so that it gets somewhere.
    (prop_oneof![4 => Just(0), 1 => Just(1)], by).prop_map(|(sale, by)| Here { sale, by })
}

fn schedule() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0..GOOD_SCHEDULES, 1 => 0..SCHEDULES.len()]
}

fn some_ids() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        6 => (0..IDS.len()).prop_map(|id| vec![id]),
        1 => prop::collection::vec(0..IDS.len(), 0..4),
    ]
}

fn token_call() -> impl Strategy<Value = Call> {
    let amount = || prop_oneof![1 => 1u64..1_000, 3 => 50_000u64..600_000];
    let coins = || prop_oneof![1 => Just(0), 6 => 1usize..6];
    let receiver = prop_oneof![6 => broker(), 1 => anybody()];
    prop_oneof![
        6 => (mostly(CENTRAL), receiver, amount()).prop_map(|(by, to, amount)| Call::Mint { by, to, amount }),
        5 => (own(), coins(), anybody(), amount())
            .prop_map(|((by, of), coins, to, amount)| Call::Transfer { by, of, coins, to, amount }),
        1 => (Just(CENTRAL), Just(CENTRAL), amount()).prop_map(|(by, to, amount)| Call::Mint { by, to, amount }),
        2 => (mostly(CENTRAL), coins(), amount()).prop_map(|(by, coins, amount)| Call::Burn { by, coins, amount }),
        9 => (here(Just(A)), own(), coins(), amount()).prop_map(|(here, (by, of), coins, amount)| {
            Call::Deposit { here: Here { by, ..here }, of, coins, amount }
        }),
        3 => here(anybody()).prop_map(Call::Release),
    ]
}

fn order_call() -> impl Strategy<Value = Call> {
    let id = || 0..IDS.len();
    prop_oneof![
        4 => (here(broker()), id(), schedule())
            .prop_map(|(here, id, schedule)| Call::Create { here, id, schedule }),
        4 => (here(broker()), some_ids()).prop_map(|(here, ids)| Call::Submit { here, ids }),
        4 => (here(broker()), id(), schedule())
            .prop_map(|(here, id, schedule)| Call::Place { here, id, schedule }),
        2 => (here(broker()), some_ids()).prop_map(|(here, ids)| Call::Cancel { here, ids }),
        1 => (here(broker()), id(), id()).prop_map(|(here, old, new)| Call::Replace { here, old, new }),
        3 => (here(broker()), id(), id(), schedule())
            .prop_map(|(here, old, new, schedule)| Call::Change { here, old, new, schedule }),
        1 => here(anybody()).prop_map(Call::ReadOwn),
    ]
}

fn course_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => here(mostly(BANK)).prop_map(Call::Close),
        1 => here(prop_oneof![1 => Just(BANK), 5 => anybody()]).prop_map(Call::Withdraw),
        5 => here(anybody()).prop_map(Call::Freeze),
        3 => here(anybody()).prop_map(Call::Join),
        5 => here(anybody()).prop_map(Call::Sell),
        2 => (here(anybody()), prop_oneof![1 => Just(0u64), 9 => 1u64..=105], 0u64..=100)
            .prop_map(|(here, sold, first)| Call::SellAs { here, sold, first }),
        1 => Just(Call::PassClose),
    ]
}

fn settlement_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => here(broker()).prop_map(Call::Record),
        2 => here(anybody()).prop_map(Call::Export),
        3 => here(broker()).prop_map(Call::Purge),
        6 => (here(mostly(BANK)), broker()).prop_map(|(here, of)| Call::Settle { here, of }),
        2 => (here(anybody()), anybody()).prop_map(|(here, of)| Call::Settle { here, of }),
        4 => (here(mostly(BANK)), broker()).prop_map(|(here, of)| Call::Default { here, of }),
        2 => here(broker()).prop_map(Call::Release),
        2 => Just(Call::PassDeadline),
    ]
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![token_call(), order_call(), course_call(), settlement_call()]
}

/// What organisations do one after another: mostly in the order of an IPO, so that a sequence gets somewhere, at times anything.
pub(crate) fn sequence() -> impl Strategy<Value = Vec<Call>> {
    let phase = |call: BoxedStrategy<Call>, most| prop::collection::vec(call, 0..most);
    let before = prop_oneof![12 => token_call(), 12 => order_call(), 1 => any_call()].boxed();
    let close = prop_oneof![9 => course_call(), 1 => any_call()].boxed();
    let after = prop_oneof![4 => token_call(), 9 => settlement_call(), 1 => any_call()].boxed();
    let ipo = (phase(before, 30), phase(close, 16), phase(after, 24))
        .prop_map(|(before, close, after)| [before, close, after].concat());
    prop_oneof![4 => ipo, 1 => phase(any_call().boxed(), 60)]
}

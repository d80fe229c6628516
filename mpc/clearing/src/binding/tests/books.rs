//! Books that are not what an honest organisation froze, and curves that are not the book's.

use order_commitments::{
    Commitment, DemandCurve, DemandSchedule, Level, Lots, Opening as Order, OrderRules, Price, Salt, Step,
    binding::UseError,
};

use super::{
    CHEATER, caught,
    deviant::{Cheat, run},
    fork, market,
};
use crate::{ClearingError, Ready, market::Market, reference, transcript::Opening};

/// The cheater's first order in the market.
fn order(market: &Market, order_id: &str, steps: &[(u64, Lots)], salt: [u8; 32]) -> Order {
    let session = &market.frozen.session;
    // By rules of its own: of the ledger's nobody but the order's own organisation sees that they are kept.
    let rules = OrderRules::new(*session.order_rules().grid(), 1, 1 << 20).unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|&(price, quantity)| Step {
            price: Price::At(price),
            quantity,
        })
        .collect();
    let schedule = DemandSchedule::new(&steps, &rules).unwrap();
    let msp = &session.participants()[CHEATER].msp;
    let salt = Salt::new(salt);
    let context = session.book_context(msp);
    Order {
        order_id: order_id.to_owned(),
        commitment: Commitment::commit(&schedule, &context.order(order_id), &salt).unwrap(),
        schedule,
        salt,
    }
}

/// What the parties find if the cheater's demand is this.
fn outcome_with(market: &Market, demand: &[Lots]) -> crate::Outcome {
    let mut curves = market.curves.clone();
    curves[CHEATER] = DemandCurve::new(demand.to_vec()).unwrap();
    let terms = &market.terms;
    reference::outcome(terms.lots, terms.min_lots, terms.rule, terms.levels, &curves)
}

/// The book is as the ledger says, and the demand at every level is committed to as another.
fn with_demand(demand: DemandCurve, rises: Vec<(Level, Lots)>) -> Cheat {
    Cheat {
        ready: Some(Box::new(move |mut ready: Ready| {
            let mut rng = fork(&mut ready.rng);
            ready.prepared = ready
                .prepared
                .with_rises(rises)
                .with_other_demand(demand.clone(), &mut rng);
            ready.demand = demand;
            ready
        })),
        ..Cheat::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_curve_than_the_sum_of_the_orders() {
    for other in [vec![40, 40, 20, 20, 5, 1], vec![0; 6]] {
        let cheat = with_demand(DemandCurve::new(other).unwrap(), Vec::new());
        caught(&run(&market(), cheat).await, &["tie"]);
    }
}

/// The ledger holds commitments that nobody but their owner has looked into. The widest demand that the session allows has 7 bits.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_wider_than_the_session_allows() {
    let market = market();
    let wide = order(&market, "wide", &[(3, 128 + 40), (5, 5)], [3; 32]);
    let market = market.with_book(CHEATER, |book| *book = vec![wide]);
    assert_eq!(market.terms.demand_bits, 7);
    // A sidecar that does as it should does not begin.
    let refused = market.own_book(CHEATER).prepare().done().await.unwrap_err();
    assert_eq!(refused, ClearingError::OwnBook(UseError::TooWide { width: 7 }));

    let bits_of_40 = Cheat {
        any_width: true,
        ..Cheat::default()
    };
    caught(&run(&market, bits_of_40).await, &["level sum"]);
    // 168 = 40 + 2 * 64.
    let overfull = Cheat {
        any_width: true,
        rows: Some(Box::new(|bits, _| bits[6] = 2)),
        ..Cheat::default()
    };
    caught(&run(&market, overfull).await, &["bits"]);
}

/// Commitments made from another's: nobody who puts them into its book can open them.
#[tokio::test(flavor = "multi_thread")]
async fn orders_made_from_anothers_commitment() {
    let market = market();
    let victims = market.frozen.openings[0][0].commitment;
    type Combine = fn(Commitment, Commitment) -> Option<Commitment>;
    let combinations: [Combine; 3] = [
        |victims, own| victims.plus(&own),
        |victims, own| own.minus(&victims),
        |victims, _| Some(victims),
    ];
    for combine in combinations {
        let market = self::market().with_book(CHEATER, |book| {
            book[0].commitment = combine(victims, book[0].commitment).unwrap();
        });
        caught(&run(&market, Cheat::default()).await, &["opening"]);
    }
    // Two orders of which none can be opened, while their sum can.
    let second = order(&market, "second", &[(4, 2)], [5; 32]);
    let market = market.with_book(CHEATER, |book| {
        book.push(second);
        book[0].commitment = book[0].commitment.plus(&victims).unwrap();
        book[1].commitment = book[1].commitment.minus(&victims).unwrap();
    });
    caught(&run(&market, Cheat::default()).await, &["opening"]);
}

/// A salt that serves two orders: their blindings are unrelated, so that both can be opened, and neither's commitment is the other's.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_salt_under_two_ids() {
    let market = market();
    let steps = [(2, 20), (4, 10), (5, 2)];
    let twins = ["first", "second"].map(|id| order(&market, id, &steps, [7; 32]));
    assert_ne!(twins[0].commitment, twins[1].commitment);
    let market = market.with_book(CHEATER, |book| *book = twins.to_vec());
    let expected = outcome_with(&market, &[40, 40, 20, 20, 4, 0]);
    for (result, _) in run(&market, Cheat::default()).await {
        assert_eq!(result.as_ref(), Ok(&expected));
    }
    let copied = market.with_book(CHEATER, |book| book[1].commitment = book[0].commitment);
    caught(&run(&copied, Cheat::default()).await, &["opening"]);
}

/// A market in which the cheater's one order rises where `demand` does, and what the cheater proves of it: everything is as the ledger
/// says.
fn rising(fan_out: u32, demand: &[Lots]) -> (Market, Cheat) {
    let after = |level: usize| demand.get(level).copied().unwrap_or(0);
    let mut falling = vec![0; demand.len()];
    let mut rises: Vec<(Level, Lots)> = Vec::new();
    for (index, &lots) in demand.iter().enumerate() {
        let next = after(index + 1);
        falling[..=index]
            .iter_mut()
            .for_each(|at| *at += lots.saturating_sub(next));
        if next > lots {
            rises.push((index + 1, next - lots));
        }
    }
    let market = Market::new(
        60,
        fan_out,
        &[&[50, 40, 40, 30, 7, 7], &falling, &[30, 0, 0, 0, 0, 0]],
    );
    let market = market.with_book(CHEATER, |book| {
        assert_eq!(book.len(), 1);
        for &(level, lots) in &rises {
            book[0].commitment = book[0].commitment.rising(level, lots).unwrap();
        }
    });
    (market, with_demand(DemandCurve::rising(demand.to_vec()), rises))
}

/// An order on the ledger that rises with the price, bound as any other: where the rise lies between levels that are probed it is
/// a violation, and elsewhere the outcome is that of a curve which does not rise and is the same at all levels that are probed.
#[tokio::test(flavor = "multi_thread")]
async fn a_curve_that_rises() {
    // One by one level 3 is probed and reached, then 5, which is not, then 4. Three at once it is levels 1, 3 and 5, then 4.
    for (fan_out, demand, (low, high)) in [
        (1, [40, 40, 20, 25, 5, 0], (3, 4)),
        (1, [40, 40, 20, 4, 5, 0], (4, 5)),
        (1, [40, 40, 20, 20, 21, 0], (3, 5)),
        (3, [19, 40, 20, 20, 5, 0], (1, 3)),
        (3, [40, 40, 20, 20, 21, 0], (3, 5)),
        (3, [40, 40, 20, 25, 5, 0], (3, 4)),
    ] {
        let (market, cheat) = rising(fan_out, &demand);
        for (result, transcript) in run(&market, cheat).await {
            let expected = ClearingError::DemandRises {
                party: CHEATER,
                participant: "Org01MSP".to_owned(),
                low,
                high,
            };
            assert_eq!(result, Err(expected), "{demand:?}");
            // No outcome of the round in which it was found is opened.
            let last = transcript.last().unwrap();
            assert!(matches!(last, Opening::Violations { .. }), "{last:?}");
        }
    }
    for (fan_out, demand, clamped) in [
        (1, [40, 40, 20, 20, 5, 9], [40, 40, 20, 20, 5, 5]),
        (1, [30, 40, 20, 20, 5, 0], [30, 30, 20, 20, 5, 0]),
        (3, [40, 19, 20, 20, 5, 9], [40, 20, 20, 20, 5, 5]),
    ] {
        let (market, cheat) = rising(fan_out, &demand);
        let expected = outcome_with(&market, &clamped);
        for (result, _) in run(&market, cheat).await {
            assert_eq!(result.as_ref(), Ok(&expected), "{demand:?}");
        }
    }
}

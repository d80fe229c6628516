//! Figures as Markdown tables, as they go into `docs/performance.md`.

use std::time::Duration;

use crate::flight::Flight;
use crate::ipo::Sale;
use crate::shims::{Turn, Work};

/// Orders placed one by one.
#[must_use]
pub fn orders(in_flight: usize, flight: &Flight, early: usize) -> String {
    format!(
        "| orders | in flight | orders/s | p50 ms | p99 ms | SubmitOrder repeated |\n|---|---|---|---|---|---|\n\
         | {} | {in_flight} | {:.1} | {} | {} | {early} |\n",
        flight.calls(),
        flight.rate(),
        flight.percentile(50).as_millis(),
        flight.percentile(99).as_millis(),
    )
}

/// Sales, step by step.
#[must_use]
pub fn sales(sales: &[Sale]) -> String {
    let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
    let rows = sales.iter().map(|sale| {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            sale.orders,
            seconds(sale.close),
            seconds(sale.freeze),
            seconds(sale.clear),
            seconds(sale.sell),
            seconds(sale.settle),
            seconds(sale.whole),
        )
    });
    "| orders | CloseListing s | FreezeBooks s | clearing s | SellListing s | Settle s | whole s |\n|---|---|---|---|---|---|---|\n"
        .to_owned()
        + &rows.collect::<String>()
}

/// Shims in the order given, each with all its turns; medians, and the first shim's share of each.
#[must_use]
pub fn shims(measured: &[(String, Vec<Turn>)]) -> String {
    let mut table = "| work | shim | endorsements/s | p50 ms | p99 ms | chaincode us/tx | resident MiB | own MiB | first to this: rate, CPU, resident, own |\n\
                     |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for work in Work::ALL {
        let rows: Vec<_> = measured
            .iter()
            .map(|(name, turns)| (name, Figures::of(turns.iter().filter(|turn| turn.work == work))))
            .collect();
        for (name, figures) in &rows {
            let ratio = rows
                .first()
                .map_or_else(String::new, |(_, first)| first.to(figures));
            let Figures {
                rate,
                p50,
                p99,
                processor,
                resident,
                own,
            } = figures;
            table += &format!(
                "| {work:?} | {name} | {rate:.0} | {p50:.1} | {p99:.1} | {processor:.0} | {resident:.1} | {own:.1} | {ratio} |\n"
            );
        }
    }
    table
}

/// Medians over a shim's turns.
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
    processor: f64,
    resident: f64,
    own: f64,
}

impl Figures {
    fn of<'a>(turns: impl Iterator<Item = &'a Turn>) -> Self {
        let turns: Vec<_> = turns.collect();
        let by = |figure: fn(&Turn) -> f64| median(turns.iter().map(|turn| figure(turn)).collect());
        Self {
            rate: by(|turn| turn.flight.rate()),
            p50: by(|turn| turn.flight.percentile(50).as_secs_f64() * 1e3),
            p99: by(|turn| turn.flight.percentile(99).as_secs_f64() * 1e3),
            processor: by(|turn| turn.processor.as_secs_f64() * 1e6),
            resident: by(|turn| mebibytes(turn.memory.resident_kib)),
            own: by(|turn| mebibytes(turn.memory.own_kib)),
        }
    }

    fn to(&self, other: &Self) -> String {
        format!(
            "{:.2}, {:.2}, {:.2}, {:.2}",
            self.rate / other.rate,
            self.processor / other.processor,
            self.resident / other.resident,
            self.own / other.own
        )
    }
}

fn mebibytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}

/// The middle one; of an even number the lower of the two.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures
        .get(figures.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0]) - 1.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}

//! Orders for a listing of [`SHARES`] shares at [`LEVELS`] price levels, the same in every run but for their salts.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::LoadError;
use crate::network::{Desk, parse};

/// For sale. A thousand orders ask for more.
pub const SHARES: usize = 10_000;
/// The prices, in minor units.
pub const LEVELS: Range<usize> = 100..228;

/// For how long `SubmitOrder` is repeated while the order's hash is not everywhere.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    commitment: String,
}

/// Order `number`: its price and quantity wander over all that is allowed.
fn order(number: usize) -> Result<Value, LoadError> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(LoadError::Randomness)?;
    Ok(json!({
        "investor": format!("investor {number}"),
        "steps": [{"price": LEVELS.start + number * 37 % LEVELS.len(), "quantity": 1 + number % 100}],
        "salt": hex::encode(salt),
    }))
}

/// Places one order in two transactions. Answers how often the second had to be repeated because an endorser did not have the first's
/// hash yet.
///
/// # Errors
/// When the order is refused, or its hash is not everywhere within ten seconds.
pub async fn place(broker: &Desk, listing: &str, number: usize) -> Result<usize, LoadError> {
    let id = format!("o{number}");
    let order = order(number)?.to_string().into_bytes();
    let created = broker
        .submit_privately("CreateOrder", &[listing, &id], ("order", order))
        .await?;
    let created: Created = parse("CreateOrder", &created)?;
    let begin = Instant::now();
    let mut repeated = 0;
    loop {
        match broker
            .submit("SubmitOrder", &[listing, &id, &created.commitment])
            .await
        {
            Ok(_) => return Ok(repeated),
            Err(error) if begin.elapsed() < PATIENCE && is_early(&error) => repeated += 1,
            Err(error) => return Err(error),
        }
    }
}

fn is_early(error: &LoadError) -> bool {
    error.to_string().contains("ORDER_HASH_NOT_YET_COMMITTED")
}

/// Places many, in two transactions for all.
///
/// # Errors
/// As [`place`].
pub async fn place_many(broker: &Desk, listing: &str, numbers: Range<usize>) -> Result<(), LoadError> {
    let orders = numbers
        .map(|number| {
            let mut order = order(number)?;
            order["id"] = json!(format!("o{number}"));
            Ok(order)
        })
        .collect::<Result<Vec<_>, LoadError>>()?;
    let orders = json!(orders).to_string().into_bytes();
    let created = broker
        .submit_privately("CreateOrders", &[listing], ("orders", orders))
        .await?;
    let created = String::from_utf8_lossy(&created);
    let begin = Instant::now();
    loop {
        match broker.submit("SubmitOrders", &[listing, &created]).await {
            Ok(_) => return Ok(()),
            Err(error) if begin.elapsed() < PATIENCE && is_early(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

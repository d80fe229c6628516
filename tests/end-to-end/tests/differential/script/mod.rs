//! The script: one line after another, what clients do on the channel.

mod conflicts;
mod endorsement;
mod forgery;
mod identities;
mod initialisation;
mod key_policies;
mod last_state;
mod private_data;
mod public_state;
mod queries;
mod refusals;

use serde_json::Value;

use crate::{bench::Bench, player::Player};

/// Plays all of it.
pub(crate) async fn play(bench: &Bench) -> Vec<Value> {
    let mut player = Player::new(bench);
    public_state::play(&mut player).await;
    endorsement::play(&mut player).await;
    conflicts::play(&mut player).await;
    private_data::play(&mut player).await;
    key_policies::play(&mut player).await;
    queries::play(&mut player).await;
    refusals::play(&mut player).await;
    identities::play(&mut player).await;
    forgery::play(&mut player).await;
    initialisation::play(&mut player).await;
    let last = last_state::play(&mut player).await;
    player.finish("last", last).await
}

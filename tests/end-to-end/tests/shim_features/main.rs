//! Every feature of `chaincode/shim/PARITY.md` that the conformance script does not show, one function a feature, played on the devnet as
//! either release and on real peers.
//!
//! The real ones are played where `FABRIC_BIN` names Fabric's programs.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

mod authority;
mod bench;
mod contract;
mod contract_api;
mod dialling;
mod identity;
mod initialisation;
mod one_organisation;
mod operations;
mod server;
mod streams;

use bench::Bench;
use devnet::config::Profile;
use end_to_end_tests::fabric;
use one_organisation::Where;

/// Plays them in this order. `tests/parity.rs` of the shim looks here for the features that its table names.
macro_rules! features {
    ($play:ident($on:ident: $type:ty): $($group:ident::$feature:ident,)*) => {
        async fn $play($on: $type) {
            $(
                println!("{}", stringify!($feature));
                Box::pin($group::$feature($on)).await;
            )*
        }
    };
}

features! {
    play(bench: &Bench):
    contract_api::contracts_and_functions_are_called_by_name,
    contract_api::functions_are_hidden_unless_registered,
    contract_api::the_before_hook_runs_first_and_can_refuse,
    contract_api::the_after_hook_sees_the_answer_and_can_refuse,
    contract_api::the_unknown_hook_answers_for_functions_that_are_not_there,
    contract_api::hooks_hand_attachments_to_functions,
    contract_api::arguments_and_answers_are_typed,
    contract_api::arguments_are_checked_against_their_schema,
    contract_api::answers_are_checked_against_their_schema,
    contract_api::raw_bytes_go_in_and_out_as_they_are,
    contract_api::tags_say_what_to_submit_and_what_to_evaluate,
    contract_api::metadata_names_contracts_functions_and_parameters,
    contract_api::metadata_of_ones_own_takes_the_place_of_the_generated,
    contract_api::own_organisation_functions_refuse_everybody_else,
    identity::attributes_of_fabric_ca_are_read_and_insisted_on,
    identity::ids_msps_units_and_certificates_are_told,
    identity::a_key_asks_for_some_of_several_organisations,
    streams::keepalive_messages_are_echoed,
    streams::transactions_run_at_once_on_one_stream,
    streams::calls_of_one_transaction_wait_for_one_another,
    streams::failures_can_be_told_apart,
    streams::a_panic_is_an_answer,
    initialisation::a_chaincode_is_initialised_first_and_once_a_version,
    streams::a_range_goes_on_where_the_peer_ends_it,
    streams::values_of_nearly_100_mib_pass,
    streams::arguments_that_fit_no_message_end_the_stream,
    streams::a_server_that_dies_fails_its_calls_and_the_peer_dials_again,
    streams::a_peer_that_comes_back_finds_new_certificates,
    streams::stopping_cuts_nothing_off,
    streams::a_program_is_configured_by_fabrics_names,
    operations::health_readiness_and_metrics_are_told_over_http,
    operations::grpc_health_is_told_beside_the_peers_stream,
    operations::reflection_lists_the_services,
    operations::peers_are_served_over_tls_and_nobody_else,
    operations::a_function_that_takes_too_long_is_stopped,
}

// Beside the others, since it takes its time.
features! {
    play_long_calls(bench: &Bench):
    streams::a_call_of_29_s_ends_well,
}

// On networks of their own.
features! {
    play_dialling(place: Where):
    dialling::a_builder_starts_a_chaincode_that_dials_over_tls,
    dialling::a_peer_in_development_mode_takes_a_chaincode_that_dials,
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_devnet_as_v2_5() {
    play(&Bench::devnet(Profile::V2_5).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_devnet_as_v3() {
    play(&Bench::devnet(Profile::V3).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_calls_on_the_devnet_as_v2_5() {
    play_long_calls(&Bench::devnet(Profile::V2_5).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_calls_on_the_devnet_as_v3() {
    play_long_calls(&Bench::devnet(Profile::V3).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dialling_on_the_devnet_as_v2_5() {
    play_dialling(Where::Devnet(Profile::V2_5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dialling_on_the_devnet_as_v3() {
    play_dialling(Where::Devnet(Profile::V3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_real_peers() {
    if !fabric::is_here() {
        return;
    }
    let bench = Bench::fabric(2).await;
    play(&bench).await;
    play_long_calls(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dialling_on_real_peers() {
    if !fabric::is_here() {
        return;
    }
    play_dialling(Where::Fabric).await;
}

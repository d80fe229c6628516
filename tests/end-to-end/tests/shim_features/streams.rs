//! The stream between a peer and its chaincode: many transactions at once, values of every size, and its end.

use std::time::Duration;

use step_chaincode::Step;

use crate::bench::{Bench, CHAINCODE, ORG, OTHER, QUERY_LIMIT, call, refused, soon, steps};
use crate::operations::{metric, metrics};
use crate::server::Program;
use devnet::client::Call;

pub(crate) async fn transactions_run_at_once_on_one_stream(bench: &Bench) {
    const CALLS: usize = 100;
    let gate = || Step::Gate("at once".into());
    let running: Vec<_> = (0..CALLS)
        .map(|_| bench.begin(steps(&[gate(), Step::Whoami])))
        .collect();
    soon(bench.gates.arrived("at once", CALLS)).await;
    let text = metrics(bench).await;
    assert_eq!(metric(&text, "chaincode_streams"), "1");
    assert_eq!(
        metric(&text, "chaincode_transactions_in_flight"),
        CALLS.to_string()
    );
    bench.gates.open("at once");
    for call in running {
        assert_eq!(call.await.unwrap().unwrap(), br#"[null,"Org1MSP"]"#);
    }
}

pub(crate) async fn calls_of_one_transaction_wait_for_one_another(bench: &Bench) {
    let put = |key: &str, value: &str| Step::Put(key.into(), value.into());
    bench
        .submit(&steps(&[put("east", "1"), put("west", "2")]))
        .await
        .unwrap();
    let answer = bench.answer(call("calls:Together", &["east", "west"])).await;
    assert_eq!(answer, "[[49],[50],[49],[50]]");
}

pub(crate) async fn failures_can_be_told_apart(bench: &Bench) {
    let answer = bench.answer(call("calls:Failures", &[])).await;
    let failures: Vec<String> = serde_json::from_str(&answer).unwrap();
    let expected = [
        ("GET_QUERY_RESULT refused: ", "not supported for leveldb"),
        ("GET_STATE refused: ", "nobodys could not be found"),
        ("key must not be an empty string", ""),
        (
            "PUT_STATE of 1059",
            " is over the limit of 104853504 bytes for one message",
        ),
        ("range bound \"\\0a\" starts with U+0000", ""),
    ];
    assert_eq!(failures.len(), expected.len());
    for (failure, (start, end)) in failures.iter().zip(expected) {
        assert!(failure.starts_with(start) && failure.contains(end), "{failure}");
    }
}

pub(crate) async fn a_panic_is_an_answer(bench: &Bench) {
    let other = bench.begin(steps(&[Step::Gate("panic".into()), Step::Whoami]));
    soon(bench.gates.arrived("panic", 1)).await;
    let refused = bench.refusal(steps(&[Step::Panic])).await;
    assert_eq!(refused, "500, the chaincode panicked; see its log");
    // Nobody else is harmed.
    bench.gates.open("panic");
    assert_eq!(other.await.unwrap().unwrap(), br#"[null,"Org1MSP"]"#);
    assert_eq!(metric(&metrics(bench).await, "chaincode_panics_total"), "1");
}

pub(crate) async fn a_range_goes_on_where_the_peer_ends_it(bench: &Bench) {
    let keys = 2 * QUERY_LIMIT + 1;
    bench
        .submit(&steps(&[Step::PutMany("range".into(), keys)]))
        .await
        .unwrap();
    let answer = bench.answer(call("calls:Count", &["range", "rangf"])).await;
    assert_eq!(answer, format!("[{QUERY_LIMIT},{keys}]"));
}

/// Nearly as much as a message of 100 MiB holds: an answer, a value written; and an argument, of which a peer sends two copies, one of
/// them in the signed proposal.
pub(crate) async fn values_of_nearly_100_mib_pass(bench: &Bench) {
    let size: usize = 96 << 20;
    let made = bench
        .evaluate(call("calls:Make", &[&size.to_string()]))
        .await
        .unwrap();
    assert_eq!(made.len(), size);
    assert_eq!(
        bench
            .answer(call("calls:Keep", &["large", &size.to_string()]))
            .await,
        ""
    );
    let argument = Call::new(CHAINCODE, "sale:Reverse").arg(vec![b'v'; size / 2]);
    assert_eq!(bench.evaluate(argument).await.unwrap().len(), size / 2);
    // One that is ordered and read again: orderers take 10 MiB in a block, by default.
    let ordered = (size / 12).to_string();
    bench
        .submit(&call("calls:Keep", &["large", &ordered]))
        .await
        .unwrap();
    assert_eq!(bench.answer(call("calls:Measure", &["large"])).await, ordered);
    // A response that fits no message is refused, and the stream lives on.
    let refused = bench
        .refusal(call("calls:Make", &[&(100 * 1024 * 1024).to_string()]))
        .await;
    assert!(refused.starts_with("500, response of 1048"), "{refused}");
    assert_eq!(bench.answer(steps(&[Step::Whoami])).await, r#"["Org1MSP"]"#);
}

pub(crate) async fn a_server_that_dies_fails_its_calls_and_the_peer_dials_again(bench: &Bench) {
    let lost = bench.begin(steps(&[Step::Gate("a dead server".into())]));
    soon(bench.gates.arrived("a dead server", 1)).await;
    bench.end_server();
    let error = lost.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("chaincode stream terminated"), "{error}");
    let down = bench
        .evaluate(steps(&[Step::Whoami]))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        down.contains("could not launch chaincode") && down.contains("connection refused"),
        "{down}"
    );
    bench.serve_as_before().await;
    assert_eq!(bench.answer(steps(&[Step::Whoami])).await, r#"["Org1MSP"]"#);
}

/// Certificates are renewed in place, and the peer is killed while a function runs.
pub(crate) async fn a_peer_that_comes_back_finds_new_certificates(bench: &Bench) {
    bench
        .submit(&steps(&[Step::Put("renewed".into(), "not yet".into())]))
        .await
        .unwrap();
    let before = metrics(bench).await;
    let folder = bench.place(ORG).tls_folder();
    bench
        .place(ORG)
        .authority()
        .issue("renewed")
        .write(&folder, "chaincode");
    // The stream that is open goes on.
    bench
        .submit(&steps(&[Step::Put("renewed".into(), "soon".into())]))
        .await
        .unwrap();
    assert_eq!(metric(&metrics(bench).await, "chaincode_streams"), "1");

    let call = steps(&[Step::Gate("a dead peer".into()), Step::Get("renewed".into())]);
    let lost = bench.begin(call);
    soon(bench.gates.arrived("a dead peer", 1)).await;
    bench.kill_peer().await;
    bench.gates.open("a dead peer");
    // What the function asks of the peer that is gone fails, and does not wait for ever.
    soon(bench.gates.failed("the stream to the peer has ended")).await;
    assert!(lost.await.unwrap().is_err());
    bench.start_peer();
    bench
        .submit(&steps(&[Step::Put("renewed".into(), "yes".into())]))
        .await
        .unwrap();
    let after = metrics(bench).await;
    let loads = |text: &str| {
        metric(text, r#"chaincode_certificate_loads_total{result="loaded"}"#)
            .parse::<u32>()
            .unwrap()
    };
    assert_eq!(loads(&after), loads(&before) + 1);
    assert_eq!(
        metric(&after, r#"chaincode_certificate_loads_total{result="refused"}"#),
        "0"
    );
}

pub(crate) async fn stopping_cuts_nothing_off(bench: &Bench) {
    let running = bench.begin(steps(&[Step::Gate("stopping".into()), Step::Whoami]));
    soon(bench.gates.arrived("stopping", 1)).await;
    let mut server = bench.served().remove(ORG).unwrap();
    server.begin_to_stop();
    // A call that comes before the server has heard of it is answered.
    let refusal = async {
        loop {
            if let Err(late) = bench.evaluate(steps(&[Step::Whoami])).await {
                return late;
            }
        }
    };
    let late = soon(refusal).await;
    assert_eq!(refused(&late).unwrap(), "503, the chaincode server is stopping");
    bench.gates.open("stopping");
    assert_eq!(running.await.unwrap().unwrap(), br#"[null,"Org1MSP"]"#);
    server.stopped().await;
    bench.serve_as_before().await;
    assert_eq!(bench.answer(steps(&[Step::Whoami])).await, r#"["Org1MSP"]"#);
}

pub(crate) async fn a_program_is_configured_by_fabrics_names(bench: &Bench) {
    bench.end_server();
    let program = Program::start(bench.place(ORG).variables(), &[], "serving").await;
    bench.dialled().await;
    assert_eq!(bench.answer(steps(&[Step::Whoami])).await, r#"["Org1MSP"]"#);
    program.kill().await;
    bench.serve_as_before().await;
}

/// It ends on the stream on which it began. (A peer's log may tell of `too_many_pings` all the same: orderers and other peers, Go's servers, say
/// that to it; nothing in this shim does.)
pub(crate) async fn a_call_of_29_s_ends_well(bench: &Bench) {
    let abandoned = async || {
        let text = metrics(bench).await;
        assert_eq!(metric(&text, "chaincode_streams"), "1");
        let lines = text.lines().filter(|line| line.contains("outcome=\"abandoned\""));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    bench.answer(steps(&[Step::Whoami])).await;
    let before = abandoned().await;
    let call = steps(&[Step::Gate("29 s".into()), Step::Put("long".into(), "done".into())]);
    let (client, call) = (bench.client(ORG).clone(), call.organisations(&[ORG, OTHER]));
    let running = tokio::spawn(async move { soon(client.submit_call(&call)).await });
    soon(bench.gates.arrived("29 s", 2)).await;
    // The time itself is what is to pass.
    tokio::time::sleep(Duration::from_secs(29)).await;
    bench.gates.open("29 s");
    running.await.unwrap().unwrap();
    assert_eq!(abandoned().await, before);
}

/// The peers are told to send one every second.
pub(crate) async fn keepalive_messages_are_echoed(bench: &Bench) {
    bench.answer(steps(&[Step::Whoami])).await;
    bench.keepalive_echoed().await;
    bench.answer(steps(&[Step::Whoami])).await;
}

/// As with Go's shim: the peer sends arguments twice, and what fits no message ends the stream. The next call finds a new one.
pub(crate) async fn arguments_that_fit_no_message_end_the_stream(bench: &Bench) {
    let argument = Call::new(CHAINCODE, "sale:Reverse").arg(vec![b'v'; 60 << 20]);
    let error = bench.evaluate(argument).await.unwrap_err().to_string();
    // Whichever the peer notices first.
    let reasons = [
        "trying to send message larger than max",
        "chaincode stream terminated",
    ];
    assert!(reasons.iter().any(|reason| error.contains(reason)), "{error}");
    bench.dialled().await;
    assert_eq!(bench.answer(steps(&[Step::Whoami])).await, r#"["Org1MSP"]"#);
}

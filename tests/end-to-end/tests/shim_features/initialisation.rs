//! A chaincode whose definition wants an initialisation.

use devnet::client::Call;
use step_chaincode::Step;

use crate::bench::{Bench, INITIALISED, ORG, OTHER};

/// `Init` of a shim is the `Run` of its contracts, or nothing where no function is named.
pub(crate) async fn a_chaincode_is_initialised_first_and_once_a_version(bench: &Bench) {
    let run = |steps: &[Step]| {
        Call::new(INITIALISED, "Run")
            .arg(serde_json::to_vec(steps).unwrap())
            .organisations(&[ORG, OTHER])
    };
    let refusal = async |call: &Call| bench.submit(call).await.unwrap_err().to_string();
    let put = run(&[Step::Put("initialised".into(), "yes".into())]);

    bench.define_initialised("1.0", 1).await;
    let early = refusal(&put).await;
    let expected =
        "chaincode 'initialised' has not been initialized for this version, must call as init first";
    assert!(early.contains(expected), "{early}");
    // What fails with a status from 500 on, or panics, is no initialisation, and is told as an error of the peer's; what is refused below
    // that is none either.
    let failed = refusal(&run(&[Step::Fail(500, "not today".into())]).as_init()).await;
    assert!(
        failed.contains("transaction returned with failure: ") && failed.contains("not today"),
        "{failed}"
    );
    let panicked = refusal(&run(&[Step::Panic]).as_init()).await;
    assert!(
        panicked.contains("transaction returned with failure: ")
            && panicked.contains("the chaincode panicked"),
        "{panicked}"
    );
    let refused = refusal(&run(&[Step::Fail(400, "not so".into())]).as_init()).await;
    assert!(refused.contains("chaincode response 400, not so"), "{refused}");
    let private = Step::GetPrivate(format!("_implicit_org_{ORG}"), "k".into());
    let private = refusal(&run(&[private]).as_init()).await;
    assert!(
        private.contains("private data APIs are not allowed in chaincode Init()"),
        "{private}"
    );

    let without_function = Call::without_function(INITIALISED)
        .as_init()
        .organisations(&[ORG, OTHER]);
    assert!(bench.submit(&without_function).await.unwrap().result.is_empty());
    let again = refusal(&without_function).await;
    assert!(
        again.contains("chaincode 'initialised' is already initialized but called as init"),
        "{again}"
    );
    bench.submit(&put).await.unwrap();

    // A new version asks for it anew, and may name a function.
    bench.define_initialised("2.0", 2).await;
    let early = refusal(&put).await;
    assert!(early.contains(expected), "{early}");
    let function = run(&[Step::Get("initialised".into())]).as_init();
    assert_eq!(bench.submit(&function).await.unwrap().result, br#"["yes"]"#);
    bench.submit(&put).await.unwrap();
}

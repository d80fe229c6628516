//! Contracts: named functions with typed parameters, several contracts in one chaincode.

mod argument;
mod context;
mod error;
mod function;
mod metadata;
mod schema;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tracing::{debug, warn};

pub use self::argument::{FromArgument, Json, Raw};
pub use self::context::TransactionContext;
pub use self::error::ContractError;
pub use self::function::{Function, Handler, IntoAnswer};
use crate::chaincode::{Answer, Response, refusal, success};
use crate::{Chaincode, ChaincodeStub};

/// The contract that every chaincode has: its metadata, for tools.
const SYSTEM: &str = "org.hyperledger.fabric";

/// Its only function.
const GET_METADATA: &str = "GetMetadata";

/// Least status of a failure of the chaincode's own.
const FAILED: i32 = 500;

type Running<T> = Pin<Box<dyn Future<Output = Result<T, ContractError>> + Send>>;
type Before = Box<dyn Fn(TransactionContext) -> Running<()> + Send + Sync>;
type After = Box<dyn Fn(TransactionContext, Arc<[u8]>) -> Running<()> + Send + Sync>;
type Unknown = Box<dyn Fn(TransactionContext) -> Running<Vec<u8>> + Send + Sync>;

/// A contract: functions under a common name.
///
/// ```
/// use chaincode_shim::{Contract, ContractError, Contracts, Function, TransactionContext};
///
/// async fn create(ctx: TransactionContext, id: String, amount: u64) -> Result<(), ContractError> {
///     if ctx.stub().get_state(&id).await?.is_some() {
///         return Err(ContractError::conflict(format!("{id} exists")));
///     }
///     Ok(ctx.stub().put_state(&id, amount.to_string().into_bytes()).await?)
/// }
///
/// async fn read(ctx: TransactionContext, id: String) -> Result<String, ContractError> {
///     let found = ctx.stub().get_state(&id).await?.ok_or_else(|| ContractError::not_found(format!("no {id}")))?;
///     Ok(String::from_utf8_lossy(&found).into_owned())
/// }
///
/// let contracts = Contracts::new("assets", "1.0").with(
///     Contract::new("asset").submit("Create", ["id", "amount"], create).evaluate("Read", ["id"], read),
/// );
/// ```
pub struct Contract {
    name: String,
    functions: BTreeMap<String, Function>,
    before: Option<Before>,
    after: Option<After>,
    unknown: Option<Unknown>,
}

impl Contract {
    /// A contract without functions yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            functions: BTreeMap::new(),
            before: None,
            after: None,
            unknown: None,
        }
    }

    /// Adds a function whose writes are to be submitted. Its parameters' names and number are checked against the handler's at
    /// compile time.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[must_use]
    pub fn submit<A, const N: usize>(
        self,
        name: &str,
        parameters: [&'static str; N],
        handler: impl Handler<A, N>,
    ) -> Self {
        self.with(Function::submit(name, parameters, handler))
    }

    /// Adds a function that is for queries. The tag is for tools: a client may still submit it.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[must_use]
    pub fn evaluate<A, const N: usize>(
        self,
        name: &str,
        parameters: [&'static str; N],
        handler: impl Handler<A, N>,
    ) -> Self {
        self.with(Function::evaluate(name, parameters, handler))
    }

    /// Adds a function.
    ///
    /// # Panics
    /// When it has no name or one with a colon, or when there is one of its name already: nobody could call it, or the other.
    #[must_use]
    pub fn with(mut self, function: Function) -> Self {
        let name = function.name().to_owned();
        assert!(
            !name.is_empty() && !name.contains(':'),
            "contract {:?}: a function is named {name:?}; a name without a colon is needed",
            self.name
        );
        assert!(
            self.functions.insert(name.clone(), function).is_none(),
            "contract {:?}: there are two functions named {name:?}",
            self.name
        );
        self
    }

    /// Runs ahead of every function of this contract, after [`Function::own_org`]'s guard and before the arguments are read;
    /// an error of it is the answer.
    #[must_use]
    pub fn before<F, R, E>(mut self, hook: F) -> Self
    where
        F: Fn(TransactionContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<ContractError>,
    {
        self.before = Some(Box::new(move |context| {
            let running = hook(context);
            Box::pin(async move { running.await.map_err(Into::into) })
        }));
        self
    }

    /// Runs after every function of this contract that went well, with the answer's bytes; an error of it is the answer instead.
    #[must_use]
    pub fn after<F, R, E>(mut self, hook: F) -> Self
    where
        F: Fn(TransactionContext, Arc<[u8]>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<ContractError>,
    {
        self.after = Some(Box::new(move |context, answer| {
            let running = hook(context, answer);
            Box::pin(async move { running.await.map_err(Into::into) })
        }));
        self
    }

    /// Answers calls of functions that this contract has not; [`TransactionContext::function`] is the name that was called. The other
    /// hooks run around it.
    #[must_use]
    pub fn unknown<F, R, T, E>(mut self, hook: F) -> Self
    where
        F: Fn(TransactionContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
        T: IntoAnswer,
        E: Into<ContractError>,
    {
        self.unknown = Some(Box::new(move |context| {
            let running = hook(context);
            Box::pin(async move { running.await.map_err(Into::into)?.into_answer() })
        }));
        self
    }

    async fn call(&self, called: Called<'_>, context: TransactionContext, args: &[Vec<u8>]) -> Response {
        let run = async {
            if let Called::Function(function) = called
                && function.is_own_org()
            {
                context.require_own_org()?;
            }
            if let Some(before) = &self.before {
                before(context.clone()).await?;
            }
            let payload = match called {
                Called::Function(function) => function.call(context.clone(), args).await?,
                Called::Unknown(unknown) => unknown(context.clone()).await?,
            };
            if let Some(after) = &self.after {
                after(context, payload.as_slice().into()).await?;
            }
            Ok::<_, ContractError>(payload)
        };
        match run.await {
            Ok(payload) => success(payload),
            Err(error) => refusal(error.status(), error.message()),
        }
    }
}

/// What a call runs.
#[derive(Clone, Copy)]
enum Called<'a> {
    Function(&'a Function),
    Unknown(&'a Unknown),
}

/// A chaincode made of contracts. `Contract:Function` names a function; without a contract, the first one's is meant. A
/// function's first letter may be lower case, as in Fabric's Go contracts. Every chaincode answers `org.hyperledger.fabric:GetMetadata`.
pub struct Contracts {
    title: String,
    version: String,
    /// In the order they were added: the first is the default.
    contracts: Vec<Contract>,
    /// In place of what would be generated.
    metadata: Option<Value>,
}

/// What a call's first argument names.
enum Route<'a> {
    Metadata,
    Contract(&'a Contract, Called<'a>, &'a str),
}

impl Contracts {
    /// A chaincode without contracts yet. Title and version go into its metadata.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            contracts: Vec::new(),
            metadata: None,
        }
    }

    /// Adds a contract; the first is the default.
    ///
    /// # Panics
    /// When there is one of its name already.
    #[must_use]
    pub fn with(mut self, contract: Contract) -> Self {
        assert!(
            self.contracts.iter().all(|found| found.name != contract.name),
            "there are two contracts named {:?}",
            contract.name
        );
        self.contracts.push(contract);
        self
    }

    /// Metadata to answer with in place of what would be generated, as other contract libraries take it from `contract-metadata/metadata.json`. It
    /// describes only: arguments are checked as the functions say.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// What `org.hyperledger.fabric:GetMetadata` answers, as Fabric's contract schema has it.
    pub fn metadata(&self) -> Value {
        self.metadata.clone().unwrap_or_else(|| metadata::of(self))
    }

    fn route<'a>(&'a self, called: &'a str) -> Result<Route<'a>, ContractError> {
        let (contract, function) = match called.rsplit_once(':') {
            Some((SYSTEM, GET_METADATA)) => return Ok(Route::Metadata),
            Some((contract, function)) => (Some(contract), function),
            None => (None, called),
        };
        let found = match contract {
            Some(name) => self.contracts.iter().find(|contract| contract.name == name),
            None => self.contracts.first(),
        };
        let Some(found) = found else {
            let known: Vec<_> = self
                .contracts
                .iter()
                .map(|contract| contract.name.as_str())
                .collect();
            let asked = contract.unwrap_or_default();
            return Err(ContractError::not_found(format!(
                "no contract {asked:?}; there are: {}",
                known.join(", ")
            )));
        };
        let registered = found
            .functions
            .get(function)
            .or_else(|| found.functions.get(&capitalised(function)));
        if let Some(registered) = registered {
            return Ok(Route::Contract(
                found,
                Called::Function(registered),
                registered.name(),
            ));
        }
        match &found.unknown {
            Some(unknown) => Ok(Route::Contract(found, Called::Unknown(unknown), function)),
            None => {
                let known: Vec<_> = found.functions.keys().map(String::as_str).collect();
                let (name, known) = (&found.name, known.join(", "));
                Err(ContractError::not_found(format!(
                    "no function {called:?}; contract {name:?} has: {known}"
                )))
            }
        }
    }

    async fn answer(&self, stub: ChaincodeStub) -> Response {
        let args = stub.get_args();
        let called = args.first().map_or(Ok(""), |name| std::str::from_utf8(name));
        let route = match called {
            Ok(called) => self.route(called),
            Err(_) => Err(ContractError::bad_request(
                "the function's name is not valid UTF-8",
            )),
        };
        match route {
            Ok(Route::Metadata) => success(self.metadata().to_string().into_bytes()),
            Ok(Route::Contract(contract, called, function)) => {
                debug!(contract = contract.name, function, "called");
                let context = TransactionContext::new(stub.clone(), function);
                let response = contract
                    .call(called, context, args.get(1..).unwrap_or_default())
                    .await;
                if response.status >= FAILED {
                    // The message may hold what nobody but the caller is to read, and so may the name of a function that is none.
                    let function = match called {
                        Called::Function(function) => function.name(),
                        Called::Unknown(_) => "",
                    };
                    warn!(
                        contract = contract.name,
                        function,
                        status = response.status,
                        "function failed"
                    );
                }
                response
            }
            Err(error) => refusal(error.status(), error.message()),
        }
    }
}

impl Chaincode for Contracts {
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
        Box::pin(self.answer(stub))
    }

    fn needs_local_mspid(&self) -> bool {
        self.contracts
            .iter()
            .flat_map(|contract| contract.functions.values())
            .any(Function::is_own_org)
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

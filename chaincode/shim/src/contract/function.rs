//! A function of a contract, and the handlers that can be one.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde_json::Value;

use super::argument::{self, FromArgument};
use super::{ContractError, TransactionContext};

type Running = Pin<Box<dyn Future<Output = Result<Vec<u8>, ContractError>> + Send>>;
type Run = Box<dyn Fn(TransactionContext, &[Vec<u8>]) -> Result<Running, ContractError> + Send + Sync>;

/// A named function with named parameters.
pub struct Function {
    name: String,
    parameters: Vec<(&'static str, Value)>,
    submit: bool,
    own_org: bool,
    run: Run,
}

impl Function {
    /// A function whose writes are to be submitted.
    pub fn submit<A, const N: usize>(
        name: &str,
        parameters: [&'static str; N],
        handler: impl Handler<A, N>,
    ) -> Self {
        Self::new(name, parameters, handler, true)
    }

    /// A function for queries.
    pub fn evaluate<A, const N: usize>(
        name: &str,
        parameters: [&'static str; N],
        handler: impl Handler<A, N>,
    ) -> Self {
        Self::new(name, parameters, handler, false)
    }

    /// Lets only clients of the peer's own organisation call it; checked before anything else, see
    /// [`TransactionContext::require_own_org`]. The server then does not start without `CORE_PEER_LOCALMSPID`.
    #[must_use]
    pub fn own_org(mut self) -> Self {
        self.own_org = true;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn parameters(&self) -> &[(&'static str, Value)] {
        &self.parameters
    }

    pub(super) fn is_submit(&self) -> bool {
        self.submit
    }

    pub(super) fn is_own_org(&self) -> bool {
        self.own_org
    }

    pub(super) async fn call(
        &self,
        context: TransactionContext,
        args: &[Vec<u8>],
    ) -> Result<Vec<u8>, ContractError> {
        (self.run)(context, args)?.await
    }

    fn new<A, const N: usize, H: Handler<A, N>>(
        name: &str,
        parameters: [&'static str; N],
        handler: H,
        submit: bool,
    ) -> Self {
        let schemas = H::schemas();
        let owned = name.to_owned();
        let run: Run = Box::new(move |context, args| {
            let args: &[Vec<u8>; N] = args.try_into().map_err(|_| {
                let (wanted, got) = (parameters.join(", "), args.len());
                ContractError::bad_request(format!("{owned} takes {N} arguments ({wanted}), got {got}"))
            })?;
            handler.call(context, &parameters, args)
        });
        Self {
            name: name.to_owned(),
            parameters: parameters.into_iter().zip(schemas).collect(),
            submit,
            own_org: false,
            run,
        }
    }
}

/// An async function that a contract can offer: a [`TransactionContext`], then up to ten arguments that are [`FromArgument`], answering
/// `Result<T, E>` where `T` serialises and `E` turns into a [`ContractError`].
///
/// Text answers as it is and `()` with nothing, as in Fabric's own contract libraries; anything else answers as JSON.
pub trait Handler<A, const N: usize>: Send + Sync + 'static {
    #[doc(hidden)]
    fn schemas() -> [Value; N];

    #[doc(hidden)]
    fn call(
        &self,
        context: TransactionContext,
        names: &[&'static str; N],
        args: &[Vec<u8>; N],
    ) -> Result<Running, ContractError>;
}

macro_rules! handler {
    ($count:literal: $($argument:ident)*) => {
        impl<Func, Fut, Out, Err, $($argument,)*> Handler<($($argument,)*), $count> for Func
        where
            Func: Fn(TransactionContext, $($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Out, Err>> + Send + 'static,
            Out: Serialize,
            Err: Into<ContractError>,
            $($argument: FromArgument,)*
        {
            fn schemas() -> [Value; $count] {
                [$($argument::schema()),*]
            }

            #[allow(non_snake_case)]
            fn call(
                &self,
                context: TransactionContext,
                names: &[&'static str; $count],
                args: &[Vec<u8>; $count],
            ) -> Result<Running, ContractError> {
                let mut _given = names.iter().zip(args);
                $(let $argument: $argument = next(&mut _given)?;)*
                let running = self(context, $($argument),*);
                Ok(Box::pin(async move { payload(&running.await.map_err(Into::into)?) }))
            }
        }
    };
}

handler!(0:);
handler!(1: A1);
handler!(2: A1 A2);
handler!(3: A1 A2 A3);
handler!(4: A1 A2 A3 A4);
handler!(5: A1 A2 A3 A4 A5);
handler!(6: A1 A2 A3 A4 A5 A6);
handler!(7: A1 A2 A3 A4 A5 A6 A7);
handler!(8: A1 A2 A3 A4 A5 A6 A7 A8);
handler!(9: A1 A2 A3 A4 A5 A6 A7 A8 A9);
handler!(10: A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);

fn next<'a, T: FromArgument>(
    given: &mut impl Iterator<Item = (&'a &'static str, &'a Vec<u8>)>,
) -> Result<T, ContractError> {
    // There are as many as parameters: the array's length is the handler's.
    let (name, argument) = given
        .next()
        .ok_or_else(|| ContractError::bad_request("an argument is missing"))?;
    argument::read(name, argument).map_err(ContractError::bad_request)
}

fn payload(answer: &impl Serialize) -> Result<Vec<u8>, ContractError> {
    let fail = |error: serde_json::Error| {
        ContractError::internal(format!("the answer cannot be written as JSON: {error}"))
    };
    let json = serde_json::to_vec(answer).map_err(fail)?;
    match json.first() {
        Some(b'n') => Ok(Vec::new()),
        Some(b'"') => serde_json::from_slice::<String>(&json)
            .map(String::into_bytes)
            .map_err(fail),
        _ => Ok(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_what_fabrics_tools_expect() {
        assert_eq!(payload(&()).unwrap(), b"");
        assert_eq!(payload(&None::<u32>).unwrap(), b"");
        assert_eq!(payload(&"a \"b\"\n").unwrap(), b"a \"b\"\n");
        assert_eq!(payload(&42_u64).unwrap(), b"42");
        assert_eq!(payload(&vec!["a"]).unwrap(), br#"["a"]"#);
        assert_eq!(payload(&true).unwrap(), b"true");
    }
}

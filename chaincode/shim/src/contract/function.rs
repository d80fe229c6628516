//! A function of a contract, and the handlers that can be one.

use std::future::Future;
use std::pin::Pin;

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use super::argument::{self, FromArgument, Raw};
use super::schema::{self, Checked};
use super::{ContractError, TransactionContext};

type Running = Pin<Box<dyn Future<Output = Result<Vec<u8>, ContractError>> + Send>>;
type Run = Box<dyn Fn(TransactionContext, &[Vec<u8>]) -> Result<Running, ContractError> + Send + Sync>;

type Describe<T> = fn(&mut SchemaGenerator) -> T;

/// A named function with named parameters.
pub struct Function {
    name: String,
    parameters: Vec<&'static str>,
    /// Makes the parameters' schemas, in their order.
    describe: Describe<Vec<Value>>,
    /// Makes the answer's schema, and the schema to check it against.
    returns: Option<(Describe<Value>, Checked)>,
    submit: bool,
    own_org: bool,
    run: Run,
}

impl Function {
    /// A function whose writes are to be submitted.
    ///
    /// # Panics
    /// If the schema of a parameter uses a keyword that arguments are not checked for, such as `pattern`: it would promise what
    /// nobody keeps.
    pub fn submit<A, const N: usize>(
        name: &str,
        parameters: [&'static str; N],
        handler: impl Handler<A, N>,
    ) -> Self {
        Self::new(name, parameters, handler, true)
    }

    /// A function for queries.
    ///
    /// # Panics
    /// As [`submit`](Self::submit).
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

    /// Says in the metadata what the function answers. Every answer is checked against it: one that differs is an error, so that the
    /// metadata stays true.
    ///
    /// # Panics
    /// As [`submit`](Self::submit).
    #[must_use]
    pub fn returns<T: JsonSchema>(mut self) -> Self {
        let schema: Describe<Value> = |schemas| schemas.subschema_for::<T>().to_value();
        self.returns = Some((
            schema,
            checked(&self.name, |schemas| vec![schema(schemas)]).remove(0),
        ));
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Names and schemas of the parameters.
    pub(super) fn parameters(&self, schemas: &mut SchemaGenerator) -> Vec<(&'static str, Value)> {
        self.parameters
            .iter()
            .copied()
            .zip((self.describe)(schemas))
            .collect()
    }

    pub(super) fn answer_schema(&self, schemas: &mut SchemaGenerator) -> Option<Value> {
        self.returns.as_ref().map(|(describe, _)| describe(schemas))
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
        let payload = (self.run)(context, args)?.await?;
        if let Some((_, schema)) = &self.returns {
            check_answer(schema, &payload).map_err(|reason| {
                ContractError::internal(format!(
                    "the answer of {} is not as described: {reason}",
                    self.name
                ))
            })?;
        }
        Ok(payload)
    }

    fn new<A, const N: usize, H: Handler<A, N>>(
        name: &str,
        parameters: [&'static str; N],
        handler: H,
        submit: bool,
    ) -> Self {
        let describe: Describe<Vec<Value>> = |schemas| H::schemas(schemas).into();
        let schemas = checked(name, describe);
        let owned = name.to_owned();
        let run: Run = Box::new(move |context, args| {
            let args: &[Vec<u8>; N] = args.try_into().map_err(|_| {
                let (wanted, got) = (parameters.join(", "), args.len());
                let arguments = if N == 1 { "argument" } else { "arguments" };
                ContractError::bad_request(format!("{owned} takes {N} {arguments} ({wanted}), got {got}"))
            })?;
            handler.call(context, &parameters, &schemas, args)
        });
        Self {
            name: name.to_owned(),
            parameters: parameters.into(),
            describe,
            returns: None,
            submit,
            own_org: false,
            run,
        }
    }
}

/// Schemas with what they refer to, to check values against.
fn checked(function: &str, describe: impl Fn(&mut SchemaGenerator) -> Vec<Value>) -> Vec<Checked> {
    let mut generator = schema::generator();
    let schemas = describe(&mut generator);
    let components = generator.take_definitions(true);
    let schemas = schemas
        .into_iter()
        .map(|schema| Checked::new(schema, components.clone()));
    schemas
        .inspect(|schema| {
            if let Some(keyword) = schema.unknown_keyword() {
                panic!("{function}: values are not checked for {keyword:?}, which a schema asks for");
            }
        })
        .collect()
}

fn check_answer(schema: &Checked, payload: &[u8]) -> Result<(), String> {
    // Text answers as it is, and nothing is no answer at all.
    let value = match std::str::from_utf8(payload) {
        Ok("") => Value::Null,
        Ok(text) if schema.is_text() => Value::from(text),
        _ => serde_json::from_slice(payload).map_err(|error| error.to_string())?,
    };
    schema.check(&value).map_err(|violation| violation.to_string())
}

/// An async function that a contract can offer: a [`TransactionContext`], then up to ten arguments that are [`FromArgument`], answering
/// `Result<T, E>` where `T` is an [`IntoAnswer`] and `E` turns into a [`ContractError`].
pub trait Handler<A, const N: usize>: Send + Sync + 'static {
    #[doc(hidden)]
    fn schemas(schemas: &mut SchemaGenerator) -> [Value; N];

    #[doc(hidden)]
    fn call(
        &self,
        context: TransactionContext,
        names: &[&'static str; N],
        schemas: &[Checked],
        args: &[Vec<u8>; N],
    ) -> Result<Running, ContractError>;
}

/// What a function can answer. Text answers as it is; `()`, `None` and whatever else is `null` in JSON with nothing, as in Fabric's own contract libraries;
/// [`Raw`](super::Raw) gives its bytes, and anything else that serialises is JSON.
pub trait IntoAnswer {
    /// The answer's bytes.
    ///
    /// # Errors
    /// [`ContractError`] for what cannot be written.
    fn into_answer(self) -> Result<Vec<u8>, ContractError>;
}

impl<T: Serialize> IntoAnswer for T {
    fn into_answer(self) -> Result<Vec<u8>, ContractError> {
        payload(&self)
    }
}

impl IntoAnswer for Raw {
    fn into_answer(self) -> Result<Vec<u8>, ContractError> {
        Ok(self.0)
    }
}

macro_rules! handler {
    ($count:literal: $($argument:ident)*) => {
        impl<Func, Fut, Out, Err, $($argument,)*> Handler<($($argument,)*), $count> for Func
        where
            Func: Fn(TransactionContext, $($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Out, Err>> + Send + 'static,
            Out: IntoAnswer,
            Err: Into<ContractError>,
            $($argument: FromArgument,)*
        {
            fn schemas(_schemas: &mut SchemaGenerator) -> [Value; $count] {
                [$($argument::schema(_schemas)),*]
            }

            #[allow(non_snake_case)]
            fn call(
                &self,
                context: TransactionContext,
                names: &[&'static str; $count],
                schemas: &[Checked],
                args: &[Vec<u8>; $count],
            ) -> Result<Running, ContractError> {
                let mut _given = names.iter().zip(schemas).zip(args);
                $(let $argument: $argument = next(&mut _given)?;)*
                let running = self(context, $($argument),*);
                Ok(Box::pin(async move { running.await.map_err(Into::into)?.into_answer() }))
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
    given: &mut impl Iterator<Item = ((&'a &'static str, &'a Checked), &'a Vec<u8>)>,
) -> Result<T, ContractError> {
    // There are as many as parameters: the array's length is the handler's.
    let ((name, schema), argument) = given
        .next()
        .ok_or_else(|| ContractError::bad_request("an argument is missing"))?;
    argument::read(name, schema, argument).map_err(ContractError::bad_request)
}

fn payload(answer: &impl Serialize) -> Result<Vec<u8>, ContractError> {
    let fail = |error: serde_json::Error| {
        ContractError::internal(format!("the answer cannot be written as JSON: {error}"))
    };
    let json = serde_json::to_vec(answer).map_err(fail)?;
    match json.first() {
        // null
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

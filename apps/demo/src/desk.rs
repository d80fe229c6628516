//! One person at an organisation, calling the contract through the own peer's Gateway.

use devnet::client::{Call, Client, ClientError, Committed};
use ipo_chaincode::sealed::{RESPONSE_KEY, Sealed};
use serde_json::Value;

use crate::{DemoError, network::CHAINCODE, story::Organisation};

/// A person's place at an organisation.
pub struct Desk {
    organisation: Organisation,
    client: Client,
}

impl Desk {
    /// The place of the client's user.
    #[must_use]
    pub const fn new(organisation: Organisation, client: Client) -> Self {
        Self { organisation, client }
    }

    /// The organisation.
    #[must_use]
    pub const fn organisation(&self) -> Organisation {
        self.organisation
    }

    /// The client underneath.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Submits a transaction that every organisation endorses, and waits until the own peer has committed it. Answers the
    /// transaction's id too.
    ///
    /// # Errors
    /// When it is refused, or invalid.
    pub async fn submit(&self, function: &str, arguments: &[&str]) -> Result<(Value, String), DemoError> {
        let committed = self.client.submit_call(&call(function, arguments)).await;
        self.committed(function, committed)
    }

    /// Waits until the own peer has committed somebody's transaction.
    ///
    /// # Errors
    /// When the peer cannot say.
    pub async fn see(&self, tx_id: &str) -> Result<(), DemoError> {
        let status = self.client.commit_status(tx_id).await;
        self.answer("commit status", status.map(|_| Vec::new())).map(drop)
    }

    /// Submits a transaction that the own organisation alone sees and endorses, and waits until the own peer has committed it.
    /// Answers the transaction's id too.
    ///
    /// # Errors
    /// When it is refused, or invalid.
    pub async fn submit_privately(
        &self,
        function: &str,
        arguments: &[&str],
        transient: &[(&str, Vec<u8>)],
    ) -> Result<(Value, String), DemoError> {
        let mut call = self.at_home(function, arguments);
        for (field, value) in transient {
            call = call.transient(field, value);
        }
        let committed = self.client.submit_call(&call).await;
        self.committed(function, committed)
    }

    /// Asks the own peer, and nobody else.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn query(&self, function: &str, arguments: &[&str]) -> Result<Value, DemoError> {
        let answer = self.client.evaluate(&self.at_home(function, arguments)).await;
        self.answer(function, answer)
    }

    /// Asks the own peer for private data, encrypted under a key made for this call.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn query_privately(&self, function: &str, arguments: &[&str]) -> Result<Value, DemoError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(DemoError::Randomness)?;
        let call = self.at_home(function, arguments).transient(RESPONSE_KEY, key);
        let sealed = self.answer(function, self.client.evaluate(&call).await)?;
        let sealed: Sealed = serde_json::from_value(sealed).map_err(DemoError::Answer)?;
        let clear = sealed.open(&key).ok_or(DemoError::Sealed)?;
        serde_json::from_slice(&clear).map_err(DemoError::Answer)
    }

    /// A call that no other organisation's peer gets to see.
    fn at_home(&self, function: &str, arguments: &[&str]) -> Call {
        call(function, arguments).organisations(&[self.organisation.msp])
    }

    fn committed(
        &self,
        function: &str,
        committed: Result<Committed, ClientError>,
    ) -> Result<(Value, String), DemoError> {
        let (tx_id, result) = match committed {
            Ok(committed) => (committed.tx_id, Ok(committed.result)),
            Err(error) => (String::new(), Err(error)),
        };
        Ok((self.answer(function, result)?, tx_id))
    }

    fn answer(&self, function: &str, answer: Result<Vec<u8>, ClientError>) -> Result<Value, DemoError> {
        let answer = answer.map_err(|source| DemoError::Call {
            organisation: self.organisation.name,
            function: function.to_owned(),
            source: Box::new(source),
        })?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(DemoError::Answer)
    }
}

fn call(function: &str, arguments: &[&str]) -> Call {
    arguments
        .iter()
        .fold(Call::new(CHAINCODE, function), |call, argument| {
            call.arg(argument)
        })
}

//! The stream between peer and chaincode: registration, messages in and out, calls in flight (Fabric's `handler.go`).

use super::{
    context::{Invoker, Settings, TransactionContext},
    handler,
};
use crate::config::Profile;
use fabric_protos::protos::{
    ChaincodeAdditionalParams, ChaincodeId, ChaincodeInput, ChaincodeMessage, chaincode_message::Type,
};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

/// Why a call of a chaincode gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ExecuteError {
    #[error("error sending: timeout expired while executing transaction")]
    Timeout,
    #[error("error sending: chaincode stream terminated")]
    StreamTerminated,
    #[error("error sending: txid: {tx_id}({channel}) exists")]
    InProgress { tx_id: String, channel: String },
}

/// Why a chaincode that was reached, or that has dialled, did not become a running chaincode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RegistrationError {
    #[error("the connection ended: {0}")]
    Ended(String),
    #[error("duplicate chaincodeID: {package_id}")]
    Duplicate { package_id: String },
    #[error(
        "error handling message, ending stream: [{tx_id}] Fabric side handler cannot handle message ({kind}) while in created state"
    )]
    UnexpectedMessage { tx_id: String, kind: &'static str },
}

/// A registered chaincode.
pub(crate) struct ChaincodeStream {
    pub(crate) settings: Settings,
    pub(crate) invoker: Weak<dyn Invoker>,
    outgoing: mpsc::Sender<ChaincodeMessage>,
    contexts: Mutex<BTreeMap<String, Arc<TransactionContext>>>,
    /// Transactions with a request under way: a second one at the same time is dropped.
    active: Mutex<BTreeSet<String>>,
    /// How many KEEPALIVEs the chaincode has sent back.
    echoes: watch::Sender<u64>,
    closed: CancellationToken,
}

/// Messages to a chaincode that wait for its stream to take them.
pub(crate) const OUTGOING: usize = 64;

/// An open stream to a chaincode, whoever has dialled.
pub(crate) struct Link {
    pub(crate) outgoing: mpsc::Sender<ChaincodeMessage>,
    pub(crate) incoming: Streaming<ChaincodeMessage>,
    /// Ends it.
    pub(crate) closed: CancellationToken,
}

/// Waits for REGISTER, and gives the name under which the chaincode registers.
pub(crate) async fn registration(
    incoming: &mut Streaming<ChaincodeMessage>,
) -> Result<String, RegistrationError> {
    loop {
        let message = match incoming.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return Err(RegistrationError::Ended("EOF".to_owned())),
            Err(status) => return Err(RegistrationError::Ended(status.message().to_owned())),
        };
        match message.r#type() {
            Type::Keepalive => {}
            Type::Register => {
                let id = ChaincodeId::decode(message.payload.as_slice()).unwrap_or_default();
                return Ok(id.name);
            }
            other => {
                return Err(RegistrationError::UnexpectedMessage {
                    kind: other.as_str_name(),
                    tx_id: message.txid,
                });
            }
        }
    }
}

impl ChaincodeStream {
    /// REGISTERED and READY to a chaincode that has sent REGISTER.
    pub(crate) async fn establish(
        link: Link,
        settings: Settings,
        invoker: Weak<dyn Invoker>,
    ) -> Result<Arc<Self>, RegistrationError> {
        let ready = match settings.profile {
            Profile::V2_5 => Vec::new(),
            Profile::V3 => ChaincodeAdditionalParams {
                use_write_batch: true,
                max_size_write_batch: 1000,
                use_get_multiple_keys: true,
                max_size_get_multiple_keys: 1000,
            }
            .encode_to_vec(),
        };
        for (kind, payload) in [(Type::Registered, Vec::new()), (Type::Ready, ready)] {
            let message = ChaincodeMessage {
                r#type: kind.into(),
                payload,
                ..ChaincodeMessage::default()
            };
            link.outgoing
                .send(message)
                .await
                .map_err(|_| RegistrationError::Ended("the chaincode left".to_owned()))?;
        }
        let stream = Arc::new(Self {
            closed: link.closed,
            settings,
            invoker,
            outgoing: link.outgoing,
            contexts: Mutex::default(),
            active: Mutex::default(),
            echoes: watch::Sender::new(0),
        });
        tokio::spawn(Arc::clone(&stream).receive(link.incoming));
        if !stream.settings.keepalive.is_zero() {
            tokio::spawn(Arc::clone(&stream).keep_alive());
        }
        Ok(stream)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.closed.is_cancelled()
    }

    /// Waits for the next KEEPALIVE of the chaincode; whether one came before the stream ended.
    pub(crate) async fn echoed(&self) -> bool {
        let mut echoes = self.echoes.subscribe();
        tokio::select! {
            () = self.closed.cancelled() => false,
            changed = echoes.changed() => changed.is_ok(),
        }
    }

    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    fn contexts(&self) -> MutexGuard<'_, BTreeMap<String, Arc<TransactionContext>>> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn active(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn receive(self: Arc<Self>, mut incoming: Streaming<ChaincodeMessage>) {
        loop {
            let received = tokio::select! {
                // In this order: what comes after the end is not answered.
                biased;
                () = self.closed.cancelled() => break,
                received = incoming.message() => received,
            };
            match received {
                Ok(Some(message)) => {
                    if let Err(refused) = self.handle(message) {
                        tracing::error!(%refused, "error handling message, ending stream");
                        break;
                    }
                }
                Ok(None) => break,
                Err(status) => {
                    tracing::warn!(%status, "receive from chaincode support stream failed");
                    break;
                }
            }
        }
        // Everybody who waits for an answer learns of it here.
        self.closed.cancel();
    }

    /// Sends a KEEPALIVE at every interval until the stream ends. Whether it is echoed makes no difference.
    async fn keep_alive(self: Arc<Self>) {
        let every = self.settings.keepalive;
        let mut ticks = interval_at(Instant::now() + every, every);
        let sending = async {
            loop {
                ticks.tick().await;
                self.send(ChaincodeMessage {
                    r#type: Type::Keepalive.into(),
                    ..ChaincodeMessage::default()
                })
                .await;
            }
        };
        tokio::select! {
            () = self.closed.cancelled() => {}
            () = sending => {}
        }
    }

    /// Deals with one message; an error ends the stream.
    fn handle(self: &Arc<Self>, message: ChaincodeMessage) -> Result<(), String> {
        let kind = message.r#type();
        match kind {
            Type::Keepalive => {
                self.echoes.send_modify(|echoes| *echoes += 1);
                Ok(())
            }
            Type::Completed | Type::Error => {
                let context = self.contexts().get(&message.txid).cloned();
                let response = context.and_then(|context| {
                    context
                        .response
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take()
                });
                if let Some(response) = response {
                    // The caller may have given up; then nobody wants the answer.
                    let _ = response.send(message);
                }
                Ok(())
            }
            kind if handler::handles(kind, self.settings.profile) => {
                if !self.active().insert(message.txid.clone()) {
                    tracing::error!(
                        tx_id = message.txid,
                        "another request pending for this transaction, cannot process"
                    );
                    return Ok(());
                }
                tokio::spawn(Arc::clone(self).answer(message));
                Ok(())
            }
            kind => Err(format!(
                "[{}] Fabric side handler cannot handle message ({}) while in ready state",
                message.txid,
                kind.as_str_name()
            )),
        }
    }

    async fn answer(self: Arc<Self>, message: ChaincodeMessage) {
        let context = self.contexts().get(&message.txid).cloned();
        let kind = message.r#type().as_str_name();
        let answered = match context {
            Some(context) => handler::answer(&self, &message, context).await,
            None => Err(handler::NO_CONTEXT.to_owned()),
        };
        let (r#type, payload) = match answered {
            Ok(payload) => (Type::Response, payload),
            Err(reason) => {
                let text = format!("{kind} failed: transaction ID: {}: {reason}", message.txid);
                tracing::debug!(text, "request of a chaincode failed");
                (Type::Error, text.into_bytes())
            }
        };
        self.active().remove(&message.txid);
        self.send(ChaincodeMessage {
            r#type: r#type.into(),
            payload,
            txid: message.txid,
            channel_id: message.channel_id,
            ..ChaincodeMessage::default()
        })
        .await;
    }

    async fn send(&self, message: ChaincodeMessage) {
        if self.outgoing.send(message).await.is_err() {
            self.closed.cancel();
        }
    }

    /// Runs a transaction or an initialisation on the chaincode and waits for its answer.
    pub(crate) async fn execute(
        &self,
        mut context: TransactionContext,
        input: &ChaincodeInput,
    ) -> Result<ChaincodeMessage, ExecuteError> {
        let tx_id = context.tx_id.clone();
        let kind = if context.is_init {
            Type::Init
        } else {
            Type::Transaction
        };
        let (sender, receiver) = oneshot::channel();
        context.response = Mutex::new(Some(sender));
        let message = ChaincodeMessage {
            r#type: kind.into(),
            payload: input.encode_to_vec(),
            txid: tx_id.clone(),
            channel_id: self.settings.channel.clone(),
            proposal: Some(context.signed_proposal.clone()),
            ..ChaincodeMessage::default()
        };
        {
            let mut contexts = self.contexts();
            if contexts.contains_key(&tx_id) {
                let channel = self.settings.channel.clone();
                return Err(ExecuteError::InProgress { tx_id, channel });
            }
            contexts.insert(tx_id.clone(), Arc::new(context));
        }
        let _removed_at_the_end = Registered { stream: self, tx_id };
        let exchange = async {
            self.send(message).await;
            receiver.await
        };
        tokio::select! {
            () = self.closed.cancelled() => Err(ExecuteError::StreamTerminated),
            answer = timeout(self.settings.execute_timeout, exchange) => match answer {
                Ok(Ok(message)) => Ok(message),
                Ok(Err(_)) => Err(ExecuteError::StreamTerminated),
                Err(_) => Err(ExecuteError::Timeout),
            },
        }
    }
}

/// Takes a transaction's context away when its call ends, however it ends.
struct Registered<'a> {
    stream: &'a ChaincodeStream,
    tx_id: String,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.stream.contexts().remove(&self.tx_id);
    }
}

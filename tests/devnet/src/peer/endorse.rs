//! Endorsing: checking a proposal, running the chaincode, signing what came of it (Fabric's `core/endorser`).

use super::{Peer, interest, lock, qscc::QSCC};
use crate::{
    chaincode::{Invoker, SharedSimulator, TransactionContext},
    channel::{Chaincode, INITIALIZED_KEY, LIFECYCLE, sequence_key},
    config::Profile,
    duration,
    ledger::{SimulationResults, Simulator},
    policy::Role,
    transaction::{ProposalError, UnpackedProposal},
};
use fabric_protos::protos::{
    ChaincodeAction, ChaincodeId, ChaincodeInput, ChaincodeMessage, Endorsement, ProposalResponse,
    ProposalResponsePayload, Response, SignedProposal, chaincode_message::Type,
};
use prost::Message;
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

/// Why an endorser gave no proposal response of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EndorserError {
    /// The peer is stopped.
    #[error("connection error: desc = \"transport: error while dialing: connect: connection refused\"")]
    Stopped,
    /// Refused by the filters before the endorser.
    #[error("proposal client identity expired")]
    ClientExpired,
    /// Refused by the filters before the endorser.
    #[error(
        "request unauthorized due to incorrect timestamp {timestamp}, peer time {now}, peer.authentication.timewindow {window}"
    )]
    Timestamp {
        timestamp: String,
        now: String,
        window: String,
    },
    /// The proposal is malformed or its creator may not propose it.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    /// A transaction with this id is on the ledger.
    #[error("duplicate transaction found [{tx_id}]. Creator [{creator}]")]
    Duplicate { tx_id: String, creator: String },
    /// The creator is not a writer of the channel.
    #[error(
        "Failed evaluating policy on signed data during check policy on channel [{channel}] with policy [/Channel/Application/Writers]: [implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied]"
    )]
    NotAWriter { channel: String },
}

impl EndorserError {
    /// Whether the endorser itself answered, with an error: then a Gateway on this peer does not try another.
    pub(crate) fn is_clients(&self) -> bool {
        matches!(
            self,
            Self::Proposal(_) | Self::Duplicate { .. } | Self::NotAWriter { .. }
        )
    }
}

/// How a peer answers when it could not run the chaincode: status 500 and no payload.
fn failure(message: String) -> ProposalResponse {
    let response = Response {
        status: 500,
        message,
        payload: Vec::new(),
    };
    ProposalResponse {
        response: Some(response),
        ..ProposalResponse::default()
    }
}

struct Simulation {
    response: Response,
    results: SimulationResults,
    event: Vec<u8>,
}

impl Peer {
    /// Endorses a proposal. Chaincode and peer failures are answers, not errors.
    pub(crate) async fn process_proposal(
        self: &Arc<Self>,
        signed: &SignedProposal,
    ) -> Result<ProposalResponse, EndorserError> {
        let proposal = UnpackedProposal::unpack(signed)?;
        self.filter(&proposal)?;
        self.process_unpacked(&proposal).await
    }

    /// The same for the peer's own Gateway, which on v2.5 asks past the filters.
    pub(crate) async fn process_own_proposal(
        self: &Arc<Self>,
        signed: &SignedProposal,
    ) -> Result<ProposalResponse, EndorserError> {
        if self.profile == Profile::V3 {
            return self.process_proposal(signed).await;
        }
        self.process_unpacked(&UnpackedProposal::unpack(signed)?).await
    }

    async fn process_unpacked(
        self: &Arc<Self>,
        proposal: &UnpackedProposal,
    ) -> Result<ProposalResponse, EndorserError> {
        if !self.is_running() {
            return Err(EndorserError::Stopped);
        }
        if proposal.channel_header.channel_id != self.channel {
            return Ok(failure(format!(
                "channel '{}' not found",
                proposal.channel_header.channel_id
            )));
        }
        let creator = proposal.validate(&self.msps)?;
        if self.transaction(proposal.tx_id()).is_some() {
            return Err(EndorserError::Duplicate {
                tx_id: proposal.tx_id().to_owned(),
                creator: hex::encode(&proposal.creator),
            });
        }
        if !creator.is_writer {
            return Err(EndorserError::NotAWriter {
                channel: self.channel.clone(),
            });
        }
        Ok(self
            .endorse(proposal, &creator.msp_id, creator.role)
            .await
            .unwrap_or_else(failure))
    }

    /// The filters of `core/handlers/auth/filter`.
    fn filter(&self, proposal: &UnpackedProposal) -> Result<(), EndorserError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let creator = self.msps.identify(&proposal.creator);
        if creator.is_ok_and(|creator| creator.expires_at < now) {
            return Err(EndorserError::ClientExpired);
        }
        if self.profile == Profile::V3 {
            let window = self.limits.timestamp_window;
            let timestamp = proposal.channel_header.timestamp.unwrap_or_default();
            if timestamp.seconds.abs_diff(now) > window.as_secs() {
                return Err(EndorserError::Timestamp {
                    timestamp: timestamp.to_string(),
                    now: prost_types::Timestamp {
                        seconds: now,
                        nanos: 0,
                    }
                    .to_string(),
                    window: duration::format(window),
                });
            }
        }
        Ok(())
    }

    async fn endorse(
        self: &Arc<Self>,
        proposal: &UnpackedProposal,
        creator_msp_id: &str,
        creator_role: Role,
    ) -> Result<ProposalResponse, String> {
        let simulator = self.simulator(proposal.tx_id()).await;
        let name = &proposal.chaincode;
        if name == QSCC {
            let mut simulator = simulator;
            let answered = Simulation {
                response: self.answer_about_chain(&proposal.input),
                results: simulator.finish(),
                event: Vec::new(),
            };
            return Ok(self.sign(proposal, (QSCC, "syscc"), answered));
        }
        let chaincode = simulator.definition(name).cloned().ok_or_else(|| {
            format!(
                "make sure the chaincode {name} has been successfully defined on channel {} and try again: chaincode {name} not found",
                self.channel
            )
        })?;
        let context = TransactionContext {
            tx_id: proposal.tx_id().to_owned(),
            namespace: name.clone(),
            simulator: SharedSimulator::new(simulator),
            is_init: false,
            creator_msp_id: creator_msp_id.to_owned(),
            creator_role,
            signed_proposal: proposal.signed.clone(),
            queries: Mutex::default(),
            response: Mutex::default(),
        };
        let simulation = self
            .simulate(&chaincode, context, proposal.input.clone())
            .await
            .map_err(|error| format!("error in simulation: {error}"))?;
        Ok(self.sign(proposal, (&chaincode.name, &chaincode.version), simulation))
    }

    /// Takes the read side of the commit lock.
    async fn simulator(&self, tx_id: &str) -> Simulator {
        let state = Arc::clone(&self.state).read_owned().await;
        // Read under the lock, so that definitions and state belong together.
        Simulator::new(tx_id, state, self.definitions(), self.state_database)
    }

    async fn simulate(
        self: &Arc<Self>,
        chaincode: &Arc<Chaincode>,
        context: TransactionContext,
        input: ChaincodeInput,
    ) -> Result<Simulation, String> {
        let tx_id = context.tx_id.clone();
        let simulator = context.simulator.clone();
        let ran = self.run(context, input).await;
        // Whatever comes of it, the lock is let go.
        let ended = simulator.take();
        let message = ran.map_err(|error| format!("failed to execute transaction {tx_id}: {error}"))?;
        let response = match message.r#type() {
            Type::Completed => Response::decode(message.payload.as_slice())
                .map_err(|error| format!("failed to unmarshal response for transaction {tx_id}: {error}"))?,
            Type::Error => {
                let reason = String::from_utf8_lossy(&message.payload).into_owned();
                return Err(format!("transaction returned with failure: {reason}"));
            }
            other => {
                return Err(format!(
                    "unexpected response type {} for transaction {tx_id}",
                    other as i32
                ));
            }
        };
        let mut ended = ended.ok_or("the simulation had ended before the chaincode answered")?;
        let results = ended.finish();
        drop(ended);
        if response.status < 400 && !results.private.is_empty() {
            self.distribute(&tx_id, chaincode, &results)?;
        }
        let event = message
            .chaincode_event
            .filter(|_| response.status < 400)
            .map(|mut event| {
                event.chaincode_id.clone_from(&chaincode.name);
                event.tx_id = tx_id;
                event.encode_to_vec()
            });
        Ok(Simulation {
            response,
            results,
            event: event.unwrap_or_default(),
        })
    }

    /// Runs the chaincode of the context; the error's text is the peer's.
    async fn run(
        self: &Arc<Self>,
        mut context: TransactionContext,
        input: ChaincodeInput,
    ) -> Result<ChaincodeMessage, String> {
        let definition = {
            let mut guard = context.simulator.lock();
            let simulator = guard.as_mut().ok_or("no ledger context")?;
            self.check_invocation(simulator, &context.namespace, input.is_init)
                .map_err(|error| format!("invalid invocation: {error}"))?
        };
        context.is_init = input.is_init;
        let stream = self
            .runtime(&definition)
            .launch()
            .await
            .map_err(|error| error.to_string())?;
        stream
            .execute(context, &input)
            .await
            .map_err(|error| error.to_string())
    }

    /// Whether the chaincode may be run on this peer, and as what: an initialisation when its definition wants one for this version
    /// (`chaincode_support.go`, `CheckInvocation`).
    fn check_invocation(
        &self,
        simulator: &mut Simulator,
        name: &str,
        is_init: bool,
    ) -> Result<Arc<Chaincode>, String> {
        let channel = &self.channel;
        let unusable = |reason: String| {
            format!("[channel {channel}] failed to get chaincode container info for {name}: {reason}")
        };
        // Every endorsement reads the definition that it relies on, so an upgrade invalidates it.
        simulator.get_state(LIFECYCLE, &sequence_key(name));
        let definition = simulator
            .definition(name)
            .cloned()
            .ok_or_else(|| unusable(format!("chaincode {name} not found")))?;
        if !self.may_run(name) {
            return Err(unusable(format!(
                "chaincode definition for '{name}' exists, but chaincode is not installed"
            )));
        }
        let uninitialised = definition.init_required && {
            let initialised = simulator.get_state(name, INITIALIZED_KEY);
            initialised.as_deref() != Some(definition.version.as_bytes())
        };
        match (is_init, uninitialised) {
            (true, true) => simulator
                .set_state(name, INITIALIZED_KEY, definition.version.clone().into_bytes())
                .map_err(|error| format!("could not set 'initialized' key: {error}"))?,
            (true, false) if definition.init_required => {
                return Err(format!(
                    "chaincode '{name}' is already initialized but called as init"
                ));
            }
            (true, false) => {
                return Err(format!(
                    "chaincode '{name}' does not require initialization but called as init"
                ));
            }
            (false, true) => {
                return Err(format!(
                    "chaincode '{name}' has not been initialized for this version, must call as init first"
                ));
            }
            (false, false) => {}
        }
        Ok(definition)
    }

    fn sign(
        &self,
        proposal: &UnpackedProposal,
        (name, version): (&str, &str),
        simulation: Simulation,
    ) -> ProposalResponse {
        let Simulation {
            response,
            results,
            event,
        } = simulation;
        let id = ChaincodeId {
            name: name.to_owned(),
            version: version.to_owned(),
            ..ChaincodeId::default()
        };
        let interest = interest::of(&results);
        let action = ChaincodeAction {
            results: results.public,
            events: event,
            response: Some(response.clone()),
            chaincode_id: Some(id),
        };
        let payload = ProposalResponsePayload {
            proposal_hash: proposal.hash.clone(),
            extension: action.encode_to_vec(),
        }
        .encode_to_vec();
        match response.status {
            500.. => ProposalResponse {
                response: Some(response),
                payload,
                interest: Some(interest),
                ..ProposalResponse::default()
            },
            400..500 => ProposalResponse {
                response: Some(response),
                ..ProposalResponse::default()
            },
            _ => {
                let endorser = self.identity.serialized().to_vec();
                let signature = self.identity.sign(&[payload.as_slice(), &endorser].concat());
                ProposalResponse {
                    version: 1,
                    response: Some(response),
                    payload,
                    endorsement: Some(Endorsement { endorser, signature }),
                    interest: Some(interest),
                    ..ProposalResponse::default()
                }
            }
        }
    }

    /// Says that this peer misses private data of a committed transaction.
    pub(super) fn note_missing(&self, missing: super::private_data::Missing) {
        lock(&self.missing).push(missing);
    }
}

impl Invoker for Peer {
    fn invoke(
        self: Arc<Self>,
        context: TransactionContext,
        input: ChaincodeInput,
    ) -> Pin<Box<dyn Future<Output = Result<ChaincodeMessage, String>> + Send>> {
        Box::pin(async move { self.run(context, input).await })
    }
}

//! A small client of Fabric's Gateway: signs proposals, transactions and requests as the official SDKs do, over the same gRPC service.
//! It works against any Gateway, not this crate's alone.

mod call;
mod error;
mod events;
mod past_gateway;

use crate::{identity::SigningIdentity, transaction::transaction_id};
pub use call::Call;
pub use error::{ClientError, EndorserDetail};
pub use events::{ChaincodeEvents, Start};
use fabric_protos::{
    common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader},
    gateway::{
        CommitStatusRequest, CommitStatusResponse, EndorseRequest, EvaluateRequest,
        SignedCommitStatusRequest, SubmitRequest, gateway_client::GatewayClient,
    },
    protos::{
        ChaincodeAction, ChaincodeActionPayload, ChaincodeHeaderExtension, ChaincodeId, Proposal,
        ProposalResponsePayload, SignedProposal, Transaction, TxValidationCode,
        endorser_client::EndorserClient,
    },
};
use prost::Message;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

const MAX_MESSAGE: usize = 100 << 20;

/// A connection to a Gateway with the identity that signs.
#[derive(Clone, Debug)]
pub struct Client {
    gateway: GatewayClient<Channel>,
    endorser: EndorserClient<Channel>,
    identity: SigningIdentity,
    channel: String,
}

/// A signed proposal, with the id of the transaction that it proposes.
#[derive(Clone, Debug)]
pub struct SignedCall {
    /// The transaction's id.
    pub tx_id: String,
    /// The proposal.
    pub proposal: SignedProposal,
    organisations: Vec<String>,
}

/// An endorsed transaction, signed by the client and ready to be ordered.
#[derive(Clone)]
pub struct EndorsedTransaction {
    /// The transaction's id.
    pub tx_id: String,
    /// What the chaincode returned.
    pub result: Vec<u8>,
    /// The transaction.
    pub envelope: Envelope,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// Whether it is valid, and why not.
    pub code: TxValidationCode,
    /// In which block.
    pub block: u64,
}

/// A valid transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub tx_id: String,
    /// What the chaincode returned.
    pub result: Vec<u8>,
    /// In which block it is.
    pub block: u64,
}

impl Client {
    /// Connects to a Gateway at `host:port` with TLS, trusting the given authority. `server_name` is the name in the peer's
    /// certificate when it is not the host.
    ///
    /// # Errors
    /// When the address is no address or the peer is not reached.
    pub async fn connect(
        address: &str,
        tls_ca_certificate_pem: &str,
        server_name: Option<&str>,
        identity: SigningIdentity,
        channel: &str,
    ) -> Result<Self, ClientError> {
        let connect = |source| ClientError::Connect {
            address: address.to_owned(),
            source,
        };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(tls_ca_certificate_pem));
        if let Some(name) = server_name {
            tls = tls.domain_name(name);
        }
        let transport = Endpoint::from_shared(format!("https://{address}"))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(connect)?
            .connect()
            .await
            .map_err(connect)?;
        let gateway = GatewayClient::new(transport.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let endorser = EndorserClient::new(transport)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Ok(Self {
            gateway,
            endorser,
            identity,
            channel: channel.to_owned(),
        })
    }

    /// The identity that signs.
    pub fn identity(&self) -> &SigningIdentity {
        &self.identity
    }

    /// The same connection with another identity.
    #[must_use]
    pub fn with_identity(&self, identity: SigningIdentity) -> Self {
        Self {
            identity,
            ..self.clone()
        }
    }

    /// Makes and signs a proposal.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn sign(&self, call: &Call) -> Result<SignedCall, ClientError> {
        sign(&self.identity, &self.channel, call)
    }

    /// Runs a query and gives what the chaincode returned.
    ///
    /// # Errors
    /// When the Gateway or the chaincode refuses.
    pub async fn evaluate(&self, call: &Call) -> Result<Vec<u8>, ClientError> {
        let signed = self.sign(call)?;
        let request = EvaluateRequest {
            transaction_id: signed.tx_id.clone(),
            channel_id: self.channel.clone(),
            proposed_transaction: Some(signed.proposal),
            target_organizations: signed.organisations,
        };
        let answer = self.gateway.clone().evaluate(request).await;
        let answer = answer.map_err(|status| ClientError::rpc("evaluate", &signed.tx_id, &status))?;
        Ok(answer.into_inner().result.unwrap_or_default().payload)
    }

    /// Collects endorsements and signs the transaction.
    ///
    /// # Errors
    /// When the Gateway, an endorser or the chaincode refuses.
    pub async fn endorse(&self, call: &Call) -> Result<EndorsedTransaction, ClientError> {
        self.endorse_signed(self.sign(call)?).await
    }

    /// The same for a proposal signed before.
    ///
    /// # Errors
    /// As [`Self::endorse`].
    pub async fn endorse_signed(&self, signed: SignedCall) -> Result<EndorsedTransaction, ClientError> {
        let tx_id = signed.tx_id;
        let request = EndorseRequest {
            transaction_id: tx_id.clone(),
            channel_id: self.channel.clone(),
            proposed_transaction: Some(signed.proposal),
            endorsing_organizations: signed.organisations,
        };
        let answer = self.gateway.clone().endorse(request).await;
        let answer = answer.map_err(|status| ClientError::rpc("endorse", &tx_id, &status))?;
        let mut envelope = answer
            .into_inner()
            .prepared_transaction
            .ok_or(ClientError::Malformed {
                what: "prepared transaction",
                source: None,
            })?;
        envelope.signature = self.identity.sign(&envelope.payload);
        let result = result_of(&envelope)?;
        Ok(EndorsedTransaction {
            tx_id,
            result,
            envelope,
        })
    }

    /// Hands a transaction to the ordering service.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn submit(&self, transaction: &EndorsedTransaction) -> Result<(), ClientError> {
        let request = SubmitRequest {
            transaction_id: transaction.tx_id.clone(),
            channel_id: self.channel.clone(),
            prepared_transaction: Some(transaction.envelope.clone()),
        };
        let answer = self.gateway.clone().submit(request).await;
        answer
            .map(|_| ())
            .map_err(|status| ClientError::rpc("submit", &transaction.tx_id, &status))
    }

    /// Waits until a transaction is committed on the Gateway's peer.
    ///
    /// # Errors
    /// When the Gateway refuses or stops.
    pub async fn commit_status(&self, tx_id: &str) -> Result<CommitStatus, ClientError> {
        let request = CommitStatusRequest {
            transaction_id: tx_id.to_owned(),
            channel_id: self.channel.clone(),
            identity: self.identity.serialized().to_vec(),
        }
        .encode_to_vec();
        let signature = self.identity.sign(&request);
        let answer = self
            .gateway
            .clone()
            .commit_status(SignedCommitStatusRequest { request, signature })
            .await;
        let answer: CommitStatusResponse = answer
            .map_err(|status| ClientError::rpc("commit status", tx_id, &status))?
            .into_inner();
        Ok(CommitStatus {
            code: answer.result(),
            block: answer.block_number,
        })
    }

    /// Endorses, submits and waits. The transaction is valid when this succeeds.
    ///
    /// # Errors
    /// When it is refused on the way, or committed as invalid ([`ClientError::NotValid`]).
    pub async fn submit_call(&self, call: &Call) -> Result<Committed, ClientError> {
        self.submit_and_wait(self.endorse(call).await?).await
    }

    async fn submit_and_wait(&self, transaction: EndorsedTransaction) -> Result<Committed, ClientError> {
        self.submit(&transaction).await?;
        let EndorsedTransaction { tx_id, result, .. } = transaction;
        let CommitStatus { code, block } = self.commit_status(&tx_id).await?;
        if code == TxValidationCode::Valid {
            Ok(Committed { tx_id, result, block })
        } else {
            Err(ClientError::NotValid { tx_id, code, block })
        }
    }

    /// Listens to a chaincode's events.
    ///
    /// # Errors
    /// When the Gateway refuses.
    pub async fn chaincode_events(
        &self,
        chaincode: &str,
        start: Start,
    ) -> Result<ChaincodeEvents, ClientError> {
        events::listen(
            self.gateway.clone(),
            &self.identity,
            &self.channel,
            chaincode,
            start,
        )
        .await
    }
}

/// Makes and signs a proposal.
pub(crate) fn sign(
    identity: &SigningIdentity,
    channel: &str,
    call: &Call,
) -> Result<SignedCall, ClientError> {
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce).map_err(|_| ClientError::NoRandomness)?;
    let creator = identity.serialized().to_vec();
    let tx_id = transaction_id(&nonce, &creator);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = call.timestamp.unwrap_or_else(|| prost_types::Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(now.subsec_nanos()).unwrap_or_default(),
    });
    let chaincode_id = ChaincodeId {
        name: call.chaincode.clone(),
        ..ChaincodeId::default()
    };
    let extension = ChaincodeHeaderExtension {
        chaincode_id: Some(chaincode_id),
    };
    let channel_header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction.into(),
        timestamp: Some(timestamp),
        channel_id: channel.to_owned(),
        tx_id: tx_id.clone(),
        extension: extension.encode_to_vec(),
        ..ChannelHeader::default()
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec(),
        signature_header: SignatureHeader {
            creator,
            nonce: nonce.to_vec(),
        }
        .encode_to_vec(),
    };
    let proposal = Proposal {
        header: header.encode_to_vec(),
        payload: call.payload().encode_to_vec(),
        ..Proposal::default()
    };
    let proposal_bytes = proposal.encode_to_vec();
    let signature = identity.sign(&proposal_bytes);
    Ok(SignedCall {
        tx_id,
        proposal: SignedProposal {
            proposal_bytes,
            signature,
        },
        organisations: call.organisations.clone(),
    })
}

/// What the chaincode of an endorsed transaction returned.
fn result_of(envelope: &Envelope) -> Result<Vec<u8>, ClientError> {
    let malformed = |what| {
        move |source| ClientError::Malformed {
            what,
            source: Some(source),
        }
    };
    let payload = Payload::decode(envelope.payload.as_slice()).map_err(malformed("payload"))?;
    let transaction = Transaction::decode(payload.data.as_slice()).map_err(malformed("transaction"))?;
    let action = transaction.actions.into_iter().next().unwrap_or_default();
    let payload =
        ChaincodeActionPayload::decode(action.payload.as_slice()).map_err(malformed("action payload"))?;
    let response = payload.action.unwrap_or_default().proposal_response_payload;
    let response =
        ProposalResponsePayload::decode(response.as_slice()).map_err(malformed("response payload"))?;
    let action = ChaincodeAction::decode(response.extension.as_slice()).map_err(malformed("action"))?;
    Ok(action.response.unwrap_or_default().payload)
}

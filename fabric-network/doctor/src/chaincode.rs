//! The chaincode server, looked at as its peer does (Fabric's `core/container/externalbuilder` and
//! `core/chaincode/handler.go`): the peer dials, the chaincode registers under its package id.

use std::time::SystemTime;

use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput, ChaincodeMessage, ChaincodeProposalPayload,
    Proposal, Response, SignedProposal,
};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::dial::{self, DialError};
use crate::{Files, PATIENCE};

/// The status of a response that refuses a caller of another organisation.
const REFUSED: i32 = 403;

/// Why a peer could not use the chaincode server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChaincodeError {
    /// It cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The gRPC call failed.
    #[error("it answers, but not as a chaincode server: {0}")]
    Call(String),
    /// Connected, and then nothing.
    #[error("it accepts the connection and does not register within {} s", PATIENCE.as_secs())]
    Unregistered,
    /// Its first message is not the one that the protocol begins with.
    #[error("its first message is {0}, not REGISTER with a package id")]
    Unexpected(String),
    /// Registered, and then nothing.
    #[error("it registers, and does not answer a call within {} s", PATIENCE.as_secs())]
    Unanswered,
    /// It takes itself for another organisation's.
    #[error("wrong MSP: it refuses a client of {msp} ({reason}): its CORE_PEER_LOCALMSPID is another's")]
    OtherOrganisation {
        /// The organisation that deployed it.
        msp: String,
        /// Its own words.
        reason: String,
    },
    /// It serves another package than the one deployed.
    #[error(
        "it registers as '{registered}', but the package deployed is '{deployed}': start it with CHAINCODE_ID={deployed}"
    )]
    OtherPackage {
        /// What it calls itself.
        registered: String,
        /// What the peer would look for.
        deployed: String,
    },
}

pub(crate) async fn examine(files: &Files) -> Result<String, ChaincodeError> {
    let address = &files.connection.address;
    match &files.tls {
        Some(config) => converse(dial::tls(address, config.clone()).await?, files).await?,
        None => converse(dial::tcp(address).await?, files).await?,
    }
    let how = if files.tls.is_some() {
        "mutual TLS"
    } else {
        "plain text"
    };
    Ok(format!("registers as {}, over {how}", files.package_id))
}

/// Lets the chaincode register, then calls a function that only clients of its own organisation may call.
async fn converse<S>(stream: S, files: &Files) -> Result<(), ChaincodeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (to_chaincode, from_peer) = mpsc::channel(3);
    let channel = dial::channel(stream)
        .await
        .map_err(|error| ChaincodeError::Call(error.to_string()))?;
    let mut client = ChaincodeClient::new(channel);
    let mut answers = within(
        ChaincodeError::Unregistered,
        client.connect(ReceiverStream::new(from_peer)),
    )
    .await?
    .into_inner();

    let first = within(ChaincodeError::Unregistered, answers.message())
        .await?
        .ok_or(ChaincodeError::Unregistered)?;
    let registered = name(&first)?;
    if registered != files.package_id {
        return Err(ChaincodeError::OtherPackage {
            registered,
            deployed: files.package_id.clone(),
        });
    }

    for message in [say(Type::Registered), say(Type::Ready), guarded_call(files)] {
        // It has room for all three, and a chaincode that has hung up shows in its answers.
        let _ = to_chaincode.send(message).await;
    }
    while let Some(answer) = within(ChaincodeError::Unanswered, answers.message()).await? {
        match answer.r#type() {
            Type::Completed => {
                let response = Response::decode(answer.payload.as_slice()).unwrap_or_default();
                return if response.status == REFUSED {
                    Err(ChaincodeError::OtherOrganisation {
                        msp: files.msp.clone(),
                        reason: response.message,
                    })
                } else {
                    Ok(())
                };
            }
            Type::Keepalive => {}
            // A request for state, or the refusal of an unknown function: the caller's organisation was not the trouble.
            _ => return Ok(()),
        }
    }
    Err(ChaincodeError::Unanswered)
}

/// The package id under which a chaincode registers.
fn name(first: &ChaincodeMessage) -> Result<String, ChaincodeError> {
    if first.r#type() != Type::Register {
        return Err(ChaincodeError::Unexpected(
            first.r#type().as_str_name().to_owned(),
        ));
    }
    match ChaincodeId::decode(first.payload.as_slice()) {
        Ok(id) if !id.name.is_empty() => Ok(id.name),
        _ => Err(ChaincodeError::Unexpected("REGISTER without a name".to_owned())),
    }
}

fn say(kind: Type) -> ChaincodeMessage {
    ChaincodeMessage {
        r#type: kind.into(),
        ..ChaincodeMessage::default()
    }
}

/// `ClearingStatus` of no listing, as a client of the organisation. Nothing checks signatures behind the peer, and the
/// transaction ends with this stream, before any state is read.
fn guarded_call(files: &Files) -> ChaincodeMessage {
    const CHANNEL: &str = "network-doctor";
    let creator = SerializedIdentity {
        mspid: files.msp.clone(),
        id_bytes: files.connection.client_cert().as_bytes().to_vec(),
    };
    let extension = ChaincodeHeaderExtension {
        chaincode_id: Some(ChaincodeId {
            name: CHANNEL.to_owned(),
            ..ChaincodeId::default()
        }),
    };
    let channel_header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction.into(),
        timestamp: Some(SystemTime::now().into()),
        channel_id: CHANNEL.to_owned(),
        tx_id: CHANNEL.to_owned(),
        extension: extension.encode_to_vec(),
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader {
        creator: creator.encode_to_vec(),
        nonce: vec![0; 24],
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec(),
        signature_header: signature_header.encode_to_vec(),
    };
    let input = ChaincodeInput {
        args: vec![b"ClearingStatus".to_vec(), b"none".to_vec()],
        ..ChaincodeInput::default()
    };
    let proposal = Proposal {
        header: header.encode_to_vec(),
        payload: ChaincodeProposalPayload::default().encode_to_vec(),
        ..Proposal::default()
    };
    ChaincodeMessage {
        payload: input.encode_to_vec(),
        txid: CHANNEL.to_owned(),
        channel_id: CHANNEL.to_owned(),
        proposal: Some(SignedProposal {
            proposal_bytes: proposal.encode_to_vec(),
            ..SignedProposal::default()
        }),
        ..say(Type::Transaction)
    }
}

async fn within<T>(
    silence: ChaincodeError,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, ChaincodeError> {
    match timeout(PATIENCE, call).await {
        Err(_) => Err(silence),
        Ok(Err(status)) => Err(dial::refusal(&status)
            .map_or_else(|| ChaincodeError::Call(status.to_string()), ChaincodeError::Dial)),
        Ok(Ok(answer)) => Ok(answer),
    }
}

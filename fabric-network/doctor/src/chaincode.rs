//! The chaincode server, looked at as its peer does (Fabric's `core/container/externalbuilder` and
//! `core/chaincode/handler.go`): the peer dials, the chaincode registers under its package id.

use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeId, ChaincodeMessage};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::dial::{self, DialError};
use crate::{Files, PATIENCE};

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
    let registered = match &files.tls {
        Some(config) => registration(dial::tls(address, config.clone()).await?).await?,
        None => registration(dial::tcp(address).await?).await?,
    };
    if registered != files.package_id {
        return Err(ChaincodeError::OtherPackage {
            registered,
            deployed: files.package_id.clone(),
        });
    }
    let how = if files.tls.is_some() {
        "mutual TLS"
    } else {
        "plain text"
    };
    Ok(format!("registers as {registered}, over {how}"))
}

/// The package id under which the chaincode at the other end registers.
async fn registration<S>(stream: S) -> Result<String, ChaincodeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // The stream is held open until the answer is in; it ends with this function, as when a peer stops.
    let (_to_chaincode, from_peer) = mpsc::channel::<ChaincodeMessage>(1);
    let mut client = ChaincodeClient::new(
        dial::channel(stream)
            .await
            .map_err(|error| ChaincodeError::Call(error.to_string()))?,
    );
    let first = timeout(PATIENCE, async {
        let mut answers = client.connect(ReceiverStream::new(from_peer)).await?.into_inner();
        answers.message().await
    })
    .await
    .map_err(|_| ChaincodeError::Unregistered)?
    .map_err(|status| failure(&status))?
    .ok_or(ChaincodeError::Unregistered)?;

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

fn failure(status: &Status) -> ChaincodeError {
    dial::refusal(status).map_or_else(|| ChaincodeError::Call(status.to_string()), ChaincodeError::Dial)
}

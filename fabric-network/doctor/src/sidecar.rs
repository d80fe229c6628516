//! The sidecar, looked at as its own chaincode server does and as another organisation's sidecar does.

use std::path::Path;

use fabric_protos::ipo::sidecar::v1::StatusRequest;
use fabric_protos::ipo::sidecar::v1::clearing_client::ClearingClient;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::dial::{self, DialError};
use crate::files::{FileError, client_of};
use crate::{Files, PATIENCE};

/// The variable with which a chaincode server finds its sidecar.
const ADDRESS: &str = "IPO_SIDECAR_ADDRESS";

/// Why a sidecar could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// It cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A file that is needed for it is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The address has neither of the two forms.
    #[error("{ADDRESS} is '{0}'; http://HOST:PORT or https://HOST:PORT is allowed")]
    Address(String),
    /// A variable that https needs is missing.
    #[error("{0} is not set, and {ADDRESS} is https")]
    Missing(&'static str),
    /// It is not a sidecar.
    #[error("it answers, but not as a sidecar: {0}")]
    Call(String),
}

/// What the chaincode server would see: `None` if it is told of no sidecar.
pub(crate) async fn from_chaincode(files: &Files) -> Option<(String, Result<String, SidecarError>)> {
    let address = files.environment.get(ADDRESS)?;
    Some((format!("sidecar {address}"), status(files, address).await))
}

async fn status(files: &Files, address: &str) -> Result<String, SidecarError> {
    if let Some(authority) = address.strip_prefix("http://") {
        ask(dial::tcp(authority.trim_end_matches('/')).await?).await
    } else if let Some(authority) = address.strip_prefix("https://") {
        let path = |name: &'static str| {
            files
                .environment
                .get(name)
                .map(Path::new)
                .ok_or(SidecarError::Missing(name))
        };
        let config = client_of(
            path("IPO_SIDECAR_CA_CERT")?,
            path("IPO_SIDECAR_CLIENT_CERT")?,
            path("IPO_SIDECAR_CLIENT_KEY")?,
        )?;
        ask(dial::tls(authority.trim_end_matches('/'), config).await?).await
    } else {
        Err(SidecarError::Address(address.to_owned()))
    }
}

/// Asks for a session that does not exist: the answer is that it does not, and that is all that is wanted.
async fn ask<S>(stream: S) -> Result<String, SidecarError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let call = |error: &dyn std::fmt::Display| SidecarError::Call(error.to_string());
    let mut client = ClearingClient::new(dial::channel(stream).await.map_err(|error| call(&error))?);
    let request = StatusRequest {
        session_id: vec![0; 32],
    };
    match timeout(PATIENCE, client.status(request)).await {
        Err(_) => Err(DialError::Silent.into()),
        Ok(Err(status)) => Err(dial::refusal(&status).map_or_else(|| call(&status), SidecarError::Dial)),
        Ok(Ok(_)) => Ok("answers its chaincode server".to_owned()),
    }
}

/// What this organisation's sidecar sees of another's at `endpoint`, by the files in its own directory.
pub(crate) async fn from_sidecar(
    directory: &Path,
    msp: &str,
    endpoint: &str,
) -> Result<String, SidecarError> {
    let authority = directory.join("../trust").join(format!("{msp}.crt"));
    let tls = directory.join("tls");
    let config = client_of(&authority, &tls.join("sidecar.crt"), &tls.join("sidecar.key"))?;
    dial::tls(endpoint, config).await?;
    Ok("is the one expected and takes this organisation's certificate".to_owned())
}

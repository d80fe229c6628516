//! A chaincode that its peer starts, as an external builder's `bin/run` does (Fabric's `core/container/externalbuilder`).

use crate::{config::Program, identity::KeyAndCertificate};
use serde_json::json;
use std::{fs, io, process::Stdio};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// What Fabric hands on of its own environment.
const ENVIRONMENT: [&str; 4] = ["LD_LIBRARY_PATH", "LIBPATH", "PATH", "TMPDIR"];

/// What a program is told in `chaincode.json`.
pub(crate) struct RunConfig<'a> {
    pub(crate) package_id: &'a str,
    pub(crate) msp_id: &'a str,
    /// Where the peer listens for chaincodes.
    pub(crate) peer_address: &'a str,
    /// None: without TLS.
    pub(crate) tls: Option<ClientTls<'a>>,
}

pub(crate) struct ClientTls<'a> {
    pub(crate) client: KeyAndCertificate,
    /// Who issued the certificate of the peer's listener.
    pub(crate) root_cert: &'a str,
}

/// A program that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// The two folders that it was given.
    _folder: TempDir,
}

impl Running {
    pub(crate) fn start(program: &Program, config: &RunConfig<'_>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("devnet-run-").tempdir()?;
        let [build, metadata] = ["build", "run"].map(|name| folder.path().join(name));
        for made in [&build, &metadata] {
            fs::create_dir(made)?;
        }
        let tls = config.tls.as_ref();
        let text = json!({
            "chaincode_id": config.package_id,
            "peer_address": config.peer_address,
            "client_cert": tls.map_or("", |tls| &tls.client.certificate_pem),
            "client_key": tls.map_or("", |tls| &tls.client.key_pem),
            "root_cert": tls.map_or("", |tls| tls.root_cert),
            "mspid": config.msp_id,
        });
        fs::write(metadata.join("chaincode.json"), text.to_string())?;
        let child = Command::new(&program.run)
            .args([&build, &metadata])
            .env_clear()
            .envs(
                ENVIRONMENT
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            child,
            _folder: folder,
        })
    }

    /// Waits for its end, and says how a peer tells of it.
    pub(crate) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) if status.success() => "container exited with 0".to_owned(),
            Ok(status) => {
                let status = status.code().map_or_else(
                    || "signal: killed".to_owned(),
                    |code| format!("exit status {code}"),
                );
                format!("failed to wait on container exit: builder run failed: {status}")
            }
            Err(error) => format!("failed to wait on container exit: {error}"),
        }
    }
}

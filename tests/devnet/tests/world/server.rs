//! A chaincode server that can be killed: it runs in a runtime of its own, which takes its sockets with it.

use chaincode_shim::{ChaincodeServer, ServerConfig, TlsConfig};
use std::net::SocketAddr;
use step_chaincode::{Gates, contracts};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

pub struct ChaincodeProcess {
    runtime: Option<Runtime>,
    address: SocketAddr,
}

impl ChaincodeProcess {
    pub fn start(package_id: &str, msp_id: &str, gates: &Gates, tls: Option<TlsConfig>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), package_id, msp_id, gates, tls)
    }

    pub fn start_at(
        address: SocketAddr,
        package_id: &str,
        msp_id: &str,
        gates: &Gates,
        tls: Option<TlsConfig>,
    ) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // Bound here, so that the address answers as soon as this returns.
        let socket = std::net::TcpListener::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let mut config = ServerConfig::new(package_id, address.to_string());
        config.local_mspid = Some(msp_id.to_owned());
        config.tls = tls;
        let server = ChaincodeServer::new(config, contracts(gates.clone())).unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(socket).unwrap();
            server.serve_with(listener, std::future::pending()).await.unwrap();
        });
        Self {
            runtime: Some(runtime),
            address,
        }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn socket_address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for ChaincodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

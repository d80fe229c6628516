//! The peers' gRPC servers: one for clients, one for chaincodes that dial.

use super::{GatewayAddress, Network, NetworkError};
use crate::{
    config::OrganisationConfig,
    gateway::GatewayService,
    peer::{Peer, chaincode_support::ChaincodeSupportService},
};
use fabric_protos::{
    gateway::gateway_server::GatewayServer,
    protos::{chaincode_support_server::ChaincodeSupportServer, endorser_server::EndorserServer},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::net::TcpListener;
use tonic::transport::{
    Certificate, Identity, Server, ServerTlsConfig,
    server::{Router, TcpIncoming},
};

/// What a gRPC message may be in size, as on a peer.
const MAX_MESSAGE: usize = 100 << 20;

impl Network {
    /// Starts every peer's servers.
    pub(super) async fn serve(&self) -> Result<Vec<GatewayAddress>, NetworkError> {
        let mut gateways = Vec::new();
        for organisation in &self.config.organisations {
            for index in 0..organisation.peers {
                let peer = self.find_peer(&organisation.peer_name(index))?;
                gateways.push(GatewayAddress {
                    peer: peer.name.clone(),
                    msp_id: organisation.msp_id.clone(),
                    address: self.serve_clients(organisation, index, peer).await?,
                    chaincode_address: self.serve_chaincodes(organisation, index, peer).await?,
                });
            }
        }
        Ok(gateways)
    }

    /// Gateway and Endorser, with TLS.
    async fn serve_clients(
        &self,
        organisation: &OrganisationConfig,
        index: usize,
        peer: &Arc<Peer>,
    ) -> Result<SocketAddr, NetworkError> {
        let (listener, address) = listen(peer, organisation.gateway_ports.get(index)).await?;
        peer.set_address(format!("{}:{}", peer.name, address.port()));
        let tls = self
            .material
            .organisation(&organisation.msp_id)?
            .peer_tls(index)?;
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(tls.certificate_pem, tls.key_pem));
        let service = GatewayService::new(Arc::clone(peer), self.orderer.clone(), self.stop.clone());
        let gateway = GatewayServer::new(service.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let endorser = EndorserServer::new(service)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let router = server(peer, Some(tls))?
            .add_service(gateway)
            .add_service(endorser);
        self.run_server(peer, listener, router);
        Ok(address)
    }

    /// ChaincodeSupport, with the TLS of the listener's own authority, which asks for certificates; without, in development mode.
    async fn serve_chaincodes(
        &self,
        organisation: &OrganisationConfig,
        index: usize,
        peer: &Arc<Peer>,
    ) -> Result<SocketAddr, NetworkError> {
        let (listener, address) = listen(peer, organisation.chaincode_ports.get(index)).await?;
        // Set once, here.
        let _ = peer.listener().address.set(address.to_string());
        let tls = match &peer.listener().access {
            None => None,
            Some(access) => {
                let own = access.server()?;
                let tls = ServerTlsConfig::new()
                    .identity(Identity::from_pem(own.certificate_pem, own.key_pem))
                    .client_ca_root(Certificate::from_pem(access.authority_pem()));
                Some(tls)
            }
        };
        let service = ChaincodeSupportServer::new(ChaincodeSupportService::new(Arc::clone(peer)))
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let router = server(peer, tls)?.add_service(service);
        self.run_server(peer, listener, router);
        Ok(address)
    }

    fn run_server(&self, peer: &Arc<Peer>, listener: TcpListener, router: Router) {
        let incoming = TcpIncoming::from(listener);
        let serving = router.serve_with_incoming_shutdown(incoming, self.stop.clone().cancelled_owned());
        let peer = peer.name.clone();
        self.tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(peer, %error, "a server of the peer's ended");
            }
        });
    }
}

async fn listen(peer: &Peer, port: Option<&u16>) -> Result<(TcpListener, SocketAddr), NetworkError> {
    let port = port.copied().unwrap_or(0);
    let failed = |source| NetworkError::Listen {
        peer: peer.name.clone(),
        port,
        source,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn server(peer: &Peer, tls: Option<ServerTlsConfig>) -> Result<Server, NetworkError> {
    let Some(tls) = tls else {
        return Ok(Server::builder());
    };
    Server::builder()
        .tls_config(tls)
        .map_err(|source| NetworkError::Tls {
            peer: peer.name.clone(),
            source,
        })
}

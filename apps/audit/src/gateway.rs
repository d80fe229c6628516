//! The public records and the own book, from a peer's Gateway.
//!
//! Everything here is a query at one's own peer: nothing is submitted, and no other organisation's peer is asked.

use std::{fs, path::PathBuf};

use clap::Args;
use devnet::{
    client::{Call, Client},
    identity::SigningIdentity,
};
use ipo_chaincode::{
    record::order::OrderRecord,
    sealed::{RESPONSE_KEY, Sealed},
    transactions::{
        allocations::AllocationHashPage,
        export,
        listings::ListingView,
        receipts::{self, OrderRecordPage},
    },
};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{AuditError, DisclosedBook, LedgerState, state::STATE_VERSION};

/// Where to connect, and as whom. The variables are those of the `peer` command line.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// The peer's address, host:port.
    #[arg(long, env = "CORE_PEER_ADDRESS")]
    pub peer: Option<String>,
    /// The name in the peer's TLS certificate, if it is not the host.
    #[arg(long, env = "CORE_PEER_TLS_SERVERHOSTOVERRIDE")]
    pub server_name: Option<String>,
    /// The TLS authority of the peer's organisation, PEM.
    #[arg(long, env = "CORE_PEER_TLS_ROOTCERT_FILE")]
    pub tls_ca: Option<PathBuf>,
    /// The organisation whose identity signs.
    #[arg(long, env = "CORE_PEER_LOCALMSPID")]
    pub msp: Option<String>,
    /// The identity's MSP folder, with signcerts and keystore (a P-256 key, PKCS#8).
    #[arg(long, env = "CORE_PEER_MSPCONFIGPATH")]
    pub identity: Option<PathBuf>,
    /// The channel.
    #[arg(long, default_value = "ipochannel")]
    pub channel: String,
    /// The chaincode's name on the channel.
    #[arg(long, default_value = "ipo")]
    pub chaincode: String,
}

/// A connection to a peer of one's own organisation.
pub struct Connection {
    client: Client,
    channel: String,
    chaincode: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// An option that was not given, a file that cannot be read, an identity that cannot sign, a peer that is not reached.
    pub async fn open(access: &Access) -> Result<Self, AuditError> {
        let peer = given(access.peer.as_ref(), "--peer")?;
        let msp = given(access.msp.as_ref(), "--msp")?;
        let tls_ca = given(access.tls_ca.as_ref(), "--tls-ca")?;
        let authority = fs::read_to_string(tls_ca).map_err(|source| AuditError::File {
            path: tls_ca.clone(),
            source,
        })?;
        let identity = SigningIdentity::from_msp_folder(msp, given(access.identity.as_ref(), "--identity")?)?;
        let name = access.server_name.as_deref();
        let client = Client::connect(peer, &authority, name, identity, &access.channel).await?;
        Ok(Self::new(client, &access.channel, &access.chaincode))
    }

    /// The same over a client that is there.
    #[must_use]
    pub fn new(client: Client, channel: &str, chaincode: &str) -> Self {
        Self {
            client,
            channel: channel.to_owned(),
            chaincode: chaincode.to_owned(),
        }
    }

    /// A listing's public records.
    ///
    /// # Errors
    /// When the contract refuses, as for an unknown listing.
    pub async fn state(&self, listing: &str) -> Result<LedgerState, AuditError> {
        let mut orders: Vec<OrderRecord> = Vec::new();
        let mut bookmark = String::new();
        let size = receipts::MAX_PAGE.to_string();
        loop {
            const FUNCTION: &str = "QueryOrderRecordsWithPagination";
            let call = self.call(FUNCTION, &[listing, "", &size, &bookmark]);
            let page: OrderRecordPage = answer(FUNCTION, &self.client.evaluate(&call).await?)?;
            orders.extend(page.records);
            bookmark = page.bookmark;
            if bookmark.is_empty() {
                break;
            }
        }
        let mut allocation_hashes = Vec::new();
        loop {
            const FUNCTION: &str = "QueryAllocationHashes";
            let call = self.call(FUNCTION, &[listing, "", &size, &bookmark]);
            let page: AllocationHashPage = answer(FUNCTION, &self.client.evaluate(&call).await?)?;
            allocation_hashes.extend(page.hashes);
            bookmark = page.bookmark;
            if bookmark.is_empty() {
                break;
            }
        }
        let call = self.call("ReadListing", &[listing]);
        let listing: ListingView = answer("ReadListing", &self.client.evaluate(&call).await?)?;
        Ok(LedgerState {
            version: STATE_VERSION,
            channel: self.channel.clone(),
            chaincode: self.chaincode.clone(),
            listing,
            orders,
            allocation_hashes,
        })
    }

    /// The own organisation's frozen book in the clear. Every page is encrypted under a key of its own on its way here.
    ///
    /// # Errors
    /// When the contract refuses: a listing that is not frozen, an identity without the right to read.
    pub async fn own_book(&self, listing: &str) -> Result<DisclosedBook, AuditError> {
        const FUNCTION: &str = "ExportBook";
        let mut pages: Vec<DisclosedBook> = Vec::new();
        let mut bookmark = String::new();
        let size = export::MAX_PAGE.to_string();
        loop {
            let mut key = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *key).map_err(AuditError::Randomness)?;
            let call = self.call(FUNCTION, &[listing, &size, &bookmark]);
            let call = call.transient(RESPONSE_KEY, key.as_slice());
            let sealed: Sealed = answer(FUNCTION, &self.client.evaluate(&call).await?)?;
            let clear = sealed
                .open(&key)
                .ok_or(AuditError::Sealed { function: FUNCTION })?;
            let page: DisclosedBook = answer(FUNCTION, &clear)?;
            bookmark.clone_from(&page.bookmark);
            pages.push(page);
            if bookmark.is_empty() {
                return DisclosedBook::join(pages);
            }
        }
    }

    /// A query that stays at home.
    fn call(&self, function: &str, arguments: &[&str]) -> Call {
        arguments
            .iter()
            .fold(Call::new(&self.chaincode, function), |call, argument| {
                call.arg(argument)
            })
            .organisations(&[self.client.identity().msp_id()])
    }
}

fn given<'a, T>(value: Option<&'a T>, option: &'static str) -> Result<&'a T, AuditError> {
    value.ok_or(AuditError::Option { option })
}

fn answer<T: DeserializeOwned>(function: &'static str, bytes: &[u8]) -> Result<T, AuditError> {
    serde_json::from_slice(bytes).map_err(|error| AuditError::Answer {
        function,
        line: error.line(),
        column: error.column(),
    })
}

//! What survives a restart: joined sessions with the own orders' openings, the number of attempts, the last failure, the
//! outcome. Every change is on disk before its function returns.
//!
//! The file holds the organisation's orders in the clear; it is readable by its owner alone. No secret of a run is ever
//! written.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fabric_protos::ipo::sidecar::v1 as wire;
use order_commitments::{SessionId, SessionTerms};
use prost::Message;
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use thiserror::Error;
use zeroize::Zeroizing;

/// The request with which a session was joined.
const JOINED: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("joined");
/// The session of each listing: a listing is cleared once.
const LISTINGS: TableDefinition<'_, (&str, &str, &str), &[u8; 32]> = TableDefinition::new("listings");
/// Attempts started.
const ATTEMPTS: TableDefinition<'_, &[u8; 32], u32> = TableDefinition::new("attempts");
/// Why the last attempt failed, as a `Failure`.
const FAILURES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("failures");
/// Outcomes.
const OUTCOMES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("outcomes");

/// Memory for the database's pages: sessions are few and small.
const CACHE: usize = 4 << 20;

/// The embedded database of a sidecar.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

/// Why the database failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder or file cannot be made or opened.
    #[error("storage: {path:?}: {source}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The database failed.
    #[error("storage: {0}")]
    Database(#[from] Box<redb::Error>),
    /// A record cannot be read: it was written by another program, or the disk is damaged.
    #[error("storage: the {table} record of session {session} is damaged: {source}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The session.
        session: SessionId,
        /// What is wrong.
        source: prost::DecodeError,
    },
}

/// Why an attempt failed, and whom this sidecar suspects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong; never a secret.
    pub reason: String,
    /// MSP ids.
    pub suspects: Vec<String>,
}

/// Everything that is kept of a session, but the openings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Attempts started.
    pub attempts: u32,
    /// The last failure.
    pub failure: Option<Failure>,
    /// The outcome.
    pub outcome: Option<wire::Outcome>,
}

macro_rules! database_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}

database_errors!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);

impl Store {
    /// Opens the database in a folder, making both if they are not there.
    ///
    /// # Errors
    /// The folder or the database cannot be made or opened; another process has it open.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Folder { path, source }
        };
        if !folder.is_dir() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(at(folder))?;
        }
        let path = folder.join("sidecar.redb");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(at(&path))?;
        let database = Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(FileBackend::new(file)?)?;
        let store = Self { database };
        store.make_tables()?;
        Ok(store)
    }

    fn make_tables(&self) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        write.open_table(JOINED)?;
        write.open_table(LISTINGS)?;
        write.open_table(ATTEMPTS)?;
        write.open_table(FAILURES)?;
        write.open_table(OUTCOMES)?;
        write.commit()?;
        Ok(())
    }

    /// Keeps a session with its openings, unless its listing was joined before; then answers the session that it was
    /// joined as.
    ///
    /// # Errors
    /// The database failed.
    pub fn join(
        &self,
        session: SessionId,
        terms: &SessionTerms,
        request: &wire::JoinRequest,
    ) -> Result<SessionId, StoreError> {
        let listing = (
            terms.channel.as_str(),
            terms.chaincode.as_str(),
            terms.listing.as_str(),
        );
        let encoded = Zeroizing::new(request.encode_to_vec());
        let write = self.database.begin_write()?;
        {
            let mut listings = write.open_table(LISTINGS)?;
            if let Some(joined) = listings.get(listing)?.map(|joined| SessionId(*joined.value())) {
                return Ok(joined);
            }
            listings.insert(listing, &session.0)?;
            write.open_table(JOINED)?.insert(&session.0, encoded.as_slice())?;
        }
        write.commit()?;
        Ok(session)
    }

    /// The requests of all joined sessions.
    ///
    /// # Errors
    /// The database failed or is damaged.
    pub fn joined(&self) -> Result<Vec<(SessionId, wire::JoinRequest)>, StoreError> {
        let read = self.database.begin_read()?;
        let mut requests = Vec::new();
        for record in read.open_table(JOINED)?.iter()? {
            let (key, value) = record?;
            let session = SessionId(*key.value());
            let request = wire::JoinRequest::decode(value.value()).map_err(|source| StoreError::Damaged {
                table: "joined",
                session,
                source,
            })?;
            requests.push((session, request));
        }
        Ok(requests)
    }

    /// What happened in a session so far.
    ///
    /// # Errors
    /// The database failed or is damaged.
    pub fn history(&self, session: SessionId) -> Result<History, StoreError> {
        let read = self.database.begin_read()?;
        let attempts = read
            .open_table(ATTEMPTS)?
            .get(&session.0)?
            .map_or(0, |count| count.value());
        let outcome = read
            .open_table(OUTCOMES)?
            .get(&session.0)?
            .map(|record| wire::Outcome::decode(record.value()))
            .transpose()
            .map_err(|source| StoreError::Damaged {
                table: "outcome",
                session,
                source,
            })?;
        // A failure is kept in the form in which it is told.
        let failure = read
            .open_table(FAILURES)?
            .get(&session.0)?
            .map(|record| wire::StatusResponse::decode(record.value()))
            .transpose()
            .map_err(|source| StoreError::Damaged {
                table: "failure",
                session,
                source,
            })?
            .map(|told| Failure {
                reason: told.last_error,
                suspects: told.suspects,
            });
        Ok(History {
            attempts,
            failure,
            outcome,
        })
    }

    /// Counts an attempt of this sidecar before it starts, and answers its number, from 1.
    ///
    /// # Errors
    /// The database failed.
    pub fn start_attempt(&self, session: SessionId) -> Result<u32, StoreError> {
        let write = self.database.begin_write()?;
        let number = {
            let mut attempts = write.open_table(ATTEMPTS)?;
            let before = attempts.get(&session.0)?.map_or(0, |count| count.value());
            let number = before.saturating_add(1);
            attempts.insert(&session.0, number)?;
            number
        };
        write.commit()?;
        Ok(number)
    }

    /// Keeps why an attempt failed.
    ///
    /// # Errors
    /// The database failed.
    pub fn fail(&self, session: SessionId, failure: &Failure) -> Result<(), StoreError> {
        let told = wire::StatusResponse {
            last_error: failure.reason.clone(),
            suspects: failure.suspects.clone(),
            ..wire::StatusResponse::default()
        };
        let write = self.database.begin_write()?;
        write
            .open_table(FAILURES)?
            .insert(&session.0, told.encode_to_vec().as_slice())?;
        write.commit()?;
        Ok(())
    }

    /// Keeps the outcome, unless there is one; answers the one that is kept.
    ///
    /// # Errors
    /// The database failed or is damaged.
    pub fn finish(&self, session: SessionId, outcome: &wire::Outcome) -> Result<wire::Outcome, StoreError> {
        let write = self.database.begin_write()?;
        {
            let mut outcomes = write.open_table(OUTCOMES)?;
            let kept = outcomes
                .get(&session.0)?
                .map(|record| wire::Outcome::decode(record.value()));
            if let Some(kept) = kept {
                return kept.map_err(|source| StoreError::Damaged {
                    table: "outcome",
                    session,
                    source,
                });
            }
            outcomes.insert(&session.0, outcome.encode_to_vec().as_slice())?;
        }
        write.commit()?;
        Ok(outcome.clone())
    }
}

#[cfg(test)]
mod tests {
    use order_commitments::{AllocationRule, PriceGrid};

    use super::*;

    const SESSION: SessionId = SessionId([7; 32]);

    fn terms(listing: &str) -> SessionTerms {
        SessionTerms {
            channel: "market".to_owned(),
            chaincode: "ipo".to_owned(),
            listing: listing.to_owned(),
            grid: PriceGrid::new(1, 2, 1).unwrap(),
            shares: 1,
            lot_size: 1,
            rule: AllocationRule::ProRata,
            min_subscription: 0,
            max_order: 1,
            fan_out: 1,
        }
    }

    #[test]
    fn everything_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/storage");
        let request = wire::JoinRequest {
            msp: "AMSP".to_owned(),
            ..wire::JoinRequest::default()
        };
        let failure = Failure {
            reason: "peer lost".to_owned(),
            suspects: vec!["BMSP".to_owned()],
        };
        let outcome = wire::Outcome {
            sold: 5,
            ..wire::Outcome::default()
        };
        {
            let store = Store::open(&path).unwrap();
            assert_eq!(store.history(SESSION).unwrap(), History::default());
            assert_eq!(store.join(SESSION, &terms("L"), &request).unwrap(), SESSION);
            assert_eq!(
                [
                    store.start_attempt(SESSION).unwrap(),
                    store.start_attempt(SESSION).unwrap()
                ],
                [1, 2]
            );
            store.fail(SESSION, &failure).unwrap();
            assert_eq!(store.finish(SESSION, &outcome).unwrap(), outcome);
        }
        let store = Store::open(&path).unwrap();
        assert_eq!(store.joined().unwrap(), [(SESSION, request)]);
        let expected = History {
            attempts: 2,
            failure: Some(failure),
            outcome: Some(outcome.clone()),
        };
        assert_eq!(store.history(SESSION).unwrap(), expected);
        let other = wire::Outcome {
            sold: 6,
            ..wire::Outcome::default()
        };
        assert_eq!(store.finish(SESSION, &other).unwrap(), outcome);
    }

    #[test]
    fn a_listing_is_joined_as_one_session() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let request = wire::JoinRequest::default();
        assert_eq!(store.join(SESSION, &terms("L"), &request).unwrap(), SESSION);
        assert_eq!(
            store.join(SessionId([8; 32]), &terms("L"), &request).unwrap(),
            SESSION
        );
        assert_eq!(
            store.join(SessionId([8; 32]), &terms("M"), &request).unwrap(),
            SessionId([8; 32])
        );
        assert_eq!(store.joined().unwrap().len(), 2);
    }

    #[test]
    fn only_the_owner_may_read_and_only_one_process_open() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let _store = Store::open(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join("sidecar.redb"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(Store::open(folder.path()).is_err());
    }
}

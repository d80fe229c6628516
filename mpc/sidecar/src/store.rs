//! What survives a restart: joined sessions with the own orders' openings, the number of attempts, the last failure, the
//! outcome, and whether a later attempt contradicted it. Every change is on disk before its function returns.
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
/// Those of them that were started with an outcome on disk.
const RERUNS: TableDefinition<'_, &[u8; 32], u32> = TableDefinition::new("reruns");
/// Why the last attempt failed, as a `Failure`.
const FAILURES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("failures");
/// Outcomes.
const OUTCOMES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("outcomes");
/// Sessions of which a later attempt had another outcome than the one that is kept.
const CONTRADICTED: TableDefinition<'_, &[u8; 32], ()> = TableDefinition::new("contradicted");

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

/// A joined session, and the request with which it was joined or why that cannot be read.
pub type Stored = (SessionId, Result<wire::JoinRequest, StoreError>);

/// How often this sidecar has started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Attempts started.
    pub attempts: u32,
    /// Those of them that were started with the outcome known, for others.
    pub reruns: u32,
}

/// Everything that is kept of a session, but the openings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Attempts started.
    pub count: Count,
    /// The last failure: of an attempt since the outcome, if there is one.
    pub failure: Option<Failure>,
    /// The outcome.
    pub outcome: Option<wire::Outcome>,
    /// A later attempt had another outcome.
    pub is_contradicted: bool,
}

/// What an attempt's outcome is to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The first, and now on disk.
    Kept,
    /// The one that was kept before.
    Confirmed,
    /// Another than the one that was kept before, which stays.
    Contradicted,
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
        write.open_table(RERUNS)?;
        write.open_table(CONTRADICTED)?;
        write.commit()?;
        Ok(())
    }

    /// Keeps a session with its openings, unless its listing was joined as another before; answers the session that it was
    /// joined as. What is handed over for the same session again replaces what was kept, which may be damaged.
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
            let before = listings.get(listing)?.map(|joined| SessionId(*joined.value()));
            if let Some(other) = before.filter(|before| *before != session) {
                return Ok(other);
            }
            listings.insert(listing, &session.0)?;
            write.open_table(JOINED)?.insert(&session.0, encoded.as_slice())?;
        }
        write.commit()?;
        Ok(session)
    }

    /// The requests of all joined sessions, as far as they can be read.
    ///
    /// # Errors
    /// The database failed.
    pub fn joined(&self) -> Result<Vec<Stored>, StoreError> {
        let read = self.database.begin_read()?;
        let mut requests = Vec::new();
        for record in read.open_table(JOINED)?.iter()? {
            let (key, value) = record?;
            let session = SessionId(*key.value());
            let request = wire::JoinRequest::decode(value.value()).map_err(|source| StoreError::Damaged {
                table: "joined",
                session,
                source,
            });
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
        let count = |table| -> Result<u32, StoreError> {
            let kept = read.open_table(table)?.get(&session.0)?;
            Ok(kept.map_or(0, |count| count.value()))
        };
        let count = Count {
            attempts: count(ATTEMPTS)?,
            reruns: count(RERUNS)?,
        };
        let is_contradicted = read.open_table(CONTRADICTED)?.get(&session.0)?.is_some();
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
            count,
            failure,
            outcome,
            is_contradicted,
        })
    }

    /// Counts an attempt of this sidecar before it starts.
    ///
    /// # Errors
    /// The database failed.
    pub fn start_attempt(&self, session: SessionId) -> Result<Count, StoreError> {
        let write = self.database.begin_write()?;
        let count = {
            let mut attempts = write.open_table(ATTEMPTS)?;
            let before = attempts.get(&session.0)?.map_or(0, |count| count.value());
            let count = before.saturating_add(1);
            attempts.insert(&session.0, count)?;
            let is_rerun = write.open_table(OUTCOMES)?.get(&session.0)?.is_some();
            let mut reruns = write.open_table(RERUNS)?;
            let before = reruns.get(&session.0)?.map_or(0, |count| count.value());
            let rerun = before.saturating_add(is_rerun.into());
            reruns.insert(&session.0, rerun)?;
            Count {
                attempts: count,
                reruns: rerun,
            }
        };
        write.commit()?;
        Ok(count)
    }

    /// Keeps why an attempt failed.
    ///
    /// # Errors
    /// The database failed.
    pub fn fail(&self, session: SessionId, failure: &Failure) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        write
            .open_table(FAILURES)?
            .insert(&session.0, told(failure).as_slice())?;
        write.commit()?;
        Ok(())
    }

    /// Keeps the outcome of an attempt, unless there is one. If there is and it is another, that one stays, the session is
    /// contradicted for good, and `contradiction` is kept as its failure; else no failure is left.
    ///
    /// # Errors
    /// The database failed or is damaged.
    pub fn finish(
        &self,
        session: SessionId,
        outcome: &wire::Outcome,
        contradiction: &Failure,
    ) -> Result<Finish, StoreError> {
        let write = self.database.begin_write()?;
        let finish = {
            let mut outcomes = write.open_table(OUTCOMES)?;
            let kept = outcomes
                .get(&session.0)?
                .map(|record| wire::Outcome::decode(record.value()))
                .transpose()
                .map_err(|source| StoreError::Damaged {
                    table: "outcome",
                    session,
                    source,
                })?;
            let finish = match kept {
                None => Finish::Kept,
                Some(kept) if &kept == outcome => Finish::Confirmed,
                Some(_) => Finish::Contradicted,
            };
            let mut failures = write.open_table(FAILURES)?;
            if finish == Finish::Contradicted {
                write.open_table(CONTRADICTED)?.insert(&session.0, ())?;
                failures.insert(&session.0, told(contradiction).as_slice())?;
            } else {
                outcomes.insert(&session.0, outcome.encode_to_vec().as_slice())?;
                failures.remove(&session.0)?;
            }
            finish
        };
        write.commit()?;
        Ok(finish)
    }
}

/// A failure in the form in which it is told.
fn told(failure: &Failure) -> Vec<u8> {
    wire::StatusResponse {
        last_error: failure.reason.clone(),
        suspects: failure.suspects.clone(),
        ..wire::StatusResponse::default()
    }
    .encode_to_vec()
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
        let other = wire::Outcome {
            sold: 6,
            ..wire::Outcome::default()
        };
        let contradiction = Failure {
            reason: "another outcome".to_owned(),
            suspects: Vec::new(),
        };
        let again = || Store::open(&path).unwrap();
        let count = |attempts, reruns| Count { attempts, reruns };

        let store = again();
        assert_eq!(store.history(SESSION).unwrap(), History::default());
        assert_eq!(store.join(SESSION, &terms("L"), &request).unwrap(), SESSION);
        assert_eq!(store.start_attempt(SESSION).unwrap(), count(1, 0));
        assert_eq!(store.start_attempt(SESSION).unwrap(), count(2, 0));
        store.fail(SESSION, &failure).unwrap();
        drop(store);

        let store = again();
        let joined = store.joined().unwrap().into_iter();
        let joined: Vec<_> = joined
            .map(|(session, request)| (session, request.unwrap()))
            .collect();
        assert_eq!(joined, [(SESSION, request)]);
        let mut expected = History {
            count: count(2, 0),
            failure: Some(failure.clone()),
            ..History::default()
        };
        assert_eq!(store.history(SESSION).unwrap(), expected);
        let finish = |store: &Store, outcome| store.finish(SESSION, outcome, &contradiction).unwrap();
        assert_eq!(finish(&store, &outcome), Finish::Kept);
        drop(store);

        // A failure before the outcome is of no interest after it; one since then is.
        let store = again();
        (expected.failure, expected.outcome) = (None, Some(outcome.clone()));
        assert_eq!(store.history(SESSION).unwrap(), expected);
        assert_eq!(store.start_attempt(SESSION).unwrap(), count(3, 1));
        store.fail(SESSION, &failure).unwrap();
        (expected.failure, expected.count) = (Some(failure), count(3, 1));
        assert_eq!(store.history(SESSION).unwrap(), expected);
        assert_eq!(finish(&store, &outcome), Finish::Confirmed);
        expected.failure = None;
        assert_eq!(store.history(SESSION).unwrap(), expected);

        assert_eq!(finish(&store, &other), Finish::Contradicted);
        drop(store);
        (expected.failure, expected.is_contradicted) = (Some(contradiction.clone()), true);
        assert_eq!(again().history(SESSION).unwrap(), expected);
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

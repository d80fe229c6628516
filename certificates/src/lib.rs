//! TLS material that follows its files: new connections get what is there now. Files that cannot be used, as when only one of two has been
//! replaced, change nothing: what was read before stays in use, and the log says once why.
//!
//! What is read, and what it becomes, is the user's: see [`Source`]. Of the material itself only a digest is kept here, and none of it reaches
//! the log but by the errors of the source.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// How often the files are looked at when nobody connects, so that a broken one is noticed before somebody does.
const INTERVAL: Duration = Duration::from_secs(10);

/// Where material comes from, and what it is good for.
pub trait Source: Send + Sync + 'static {
    /// What the files say at one moment.
    type Material: Send + 'static;
    /// What connections need; cloned for each.
    type Usable: Clone + Send + Sync + 'static;
    /// Why a file cannot be read, or its content not be used. It is logged, so it must not tell secrets.
    type Error: Display + Send + 'static;

    /// Reads all files.
    ///
    /// # Errors
    /// One cannot be read.
    fn read(&self) -> Result<Self::Material, Self::Error>;

    /// The contents of the files, always in the same order.
    fn contents(material: &Self::Material) -> Vec<&[u8]>;

    /// What the material is good for.
    ///
    /// # Errors
    /// Something is missing in it, or does not fit.
    fn usable(&self, material: Self::Material) -> Result<Self::Usable, Self::Error>;

    /// Told whenever material is put into use, the first time too.
    fn loaded(&self, usable: &Self::Usable);

    /// Told, once for each complaint, that new material is not usable.
    fn refused(&self);
}

/// Material of a source, as its files have it.
pub struct Followed<S: Source> {
    source: Arc<S>,
    state: Mutex<State<S::Usable>>,
}

struct State<U> {
    digest: [u8; 32],
    usable: U,
    /// The last complaint, so that it is made once.
    complaint: Option<String>,
}

impl<S: Source> fmt::Debug for Followed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").finish_non_exhaustive()
    }
}

impl<S: Source> Followed<S> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// They are not usable.
    pub fn load(source: S) -> Result<Arc<Self>, S::Error> {
        let material = source.read()?;
        let digest = digest(&S::contents(&material));
        let usable = source.usable(material)?;
        source.loaded(&usable);
        Ok(Arc::new(Self {
            source: Arc::new(source),
            state: Mutex::new(State {
                digest,
                usable,
                complaint: None,
            }),
        }))
    }

    /// What a new connection gets: of the files as they are now, or else what was in use before.
    pub async fn current(&self) -> S::Usable {
        let mut state = self.state.lock().await;
        let (source, known) = (Arc::clone(&self.source), state.digest);
        let read = tokio::task::spawn_blocking(move || changed(&*source, &known)).await;
        match read {
            // The runtime stops.
            Err(_) => {}
            Ok(Ok(None)) => state.complaint = None,
            Ok(Ok(Some((digest, usable)))) => {
                info!("new certificates are in use");
                self.source.loaded(&usable);
                *state = State {
                    digest,
                    usable,
                    complaint: None,
                };
            }
            Ok(Err(error)) => {
                let complaint = error.to_string();
                if state.complaint.as_ref() != Some(&complaint) {
                    error!(%error, "the new certificates are not usable; the earlier ones stay in use");
                    self.source.refused();
                    state.complaint = Some(complaint);
                }
            }
        }
        state.usable.clone()
    }

    /// Looks at the files every ten seconds, until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => drop(self.current().await),
            }
        }
    }
}

/// The digest of new material, and what it is good for.
type New<U> = ([u8; 32], U);

/// What the files have become, unless it is what is known.
fn changed<S: Source>(source: &S, known: &[u8; 32]) -> Result<Option<New<S::Usable>>, S::Error> {
    let material = source.read()?;
    let digest = digest(&S::contents(&material));
    if digest == *known {
        return Ok(None);
    }
    Ok(Some((digest, source.usable(material)?)))
}

/// Equal for equal contents. The material itself need not be kept.
fn digest(contents: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for content in contents {
        digest.update(u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(content);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a failure is a failure")]

    use std::sync::Mutex as SyncMutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Two files, which have to be equal to be of use.
    #[derive(Default)]
    struct Pair {
        files: SyncMutex<[Vec<u8>; 2]>,
        loaded: AtomicUsize,
        refused: AtomicUsize,
    }

    impl Pair {
        fn write(&self, one: &str, two: &str) {
            *self.files.lock().unwrap() = [one.into(), two.into()];
        }

        fn counts(&self) -> (usize, usize) {
            (
                self.loaded.load(Ordering::Relaxed),
                self.refused.load(Ordering::Relaxed),
            )
        }
    }

    impl Source for Arc<Pair> {
        type Material = [Vec<u8>; 2];
        type Usable = String;
        type Error = String;

        fn read(&self) -> Result<[Vec<u8>; 2], String> {
            Ok(self.files.lock().unwrap().clone())
        }

        fn contents(material: &[Vec<u8>; 2]) -> Vec<&[u8]> {
            material.iter().map(Vec::as_slice).collect()
        }

        fn usable(&self, [one, two]: [Vec<u8>; 2]) -> Result<String, String> {
            let text = String::from_utf8(one).unwrap();
            (text.as_bytes() == two)
                .then_some(text)
                .ok_or("they differ".to_owned())
        }

        fn loaded(&self, _: &String) {
            self.loaded.fetch_add(1, Ordering::Relaxed);
        }

        fn refused(&self) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn new_material_is_used_from_the_next_connection_on_and_what_is_unusable_never() {
        let pair = Arc::new(Pair::default());
        pair.write("a", "b");
        assert_eq!(Followed::load(pair.clone()).err().unwrap(), "they differ");
        pair.write("a", "a");
        let followed = Followed::load(pair.clone()).unwrap();
        assert_eq!(
            (followed.current().await, pair.counts()),
            ("a".to_owned(), (1, 0))
        );
        pair.write("b", "a");
        for _ in 0..2 {
            // Said once.
            assert_eq!(
                (followed.current().await, pair.counts()),
                ("a".to_owned(), (1, 1))
            );
        }
        pair.write("b", "b");
        assert_eq!(
            (followed.current().await, pair.counts()),
            ("b".to_owned(), (2, 1))
        );
        // What is known is put back: that is no complaint's end alone, but the next one is a new one.
        pair.write("c", "b");
        followed.current().await;
        pair.write("b", "b");
        followed.current().await;
        pair.write("c", "b");
        assert_eq!(
            (followed.current().await, pair.counts()),
            ("b".to_owned(), (2, 3))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_looked_at_while_nobody_connects() {
        let pair = Arc::new(Pair::default());
        let followed = Followed::load(pair.clone()).unwrap();
        let stop = CancellationToken::new();
        let watching = tokio::spawn(followed.watch(stop.clone()));
        pair.write("a", "a");
        while pair.counts().0 < 2 {
            tokio::time::sleep(INTERVAL).await;
        }
        stop.cancel();
        watching.await.unwrap();
    }

    #[test]
    fn bytes_that_move_between_files_are_a_change() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[b"ab", b"c"]), digest(&[b"ab", b"c"]));
    }
}

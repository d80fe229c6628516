//! The hunt: mutate an input, run it, and keep it if the decoder behaved as it never did before.
//!
//! What a decoder says of an input (the error's words without their numbers, or the shape of what it read) stands in for the
//! coverage that instrumented builds measure, so that an input that comes further than others becomes the start of further ones.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::mutation::{Random, mutate};

/// Something that decodes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and the name of its folder in the corpus.
    pub name: &'static str,
    /// Runs an input and says how the decoder behaved. It panics where the decoder is wrong.
    pub run: fn(&[u8]) -> String,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// What a hunt came to.
#[derive(Debug)]
pub struct Report {
    /// Inputs that were run.
    pub runs: u64,
    /// Inputs that behaved in a new way, corpus and seeds included.
    pub kept: Vec<Vec<u8>>,
    /// The first input at which the decoder panicked, and what it said.
    pub panic: Option<(Vec<u8>, String)>,
}

/// When a hunt is over.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// After this time.
    Time(Duration),
    /// After this many inputs.
    Runs(u64),
}

/// Panics of the whole process, wherever they were caught.
static PANICS: AtomicU64 = AtomicU64::new(0);
static LAST: Mutex<String> = Mutex::new(String::new());

/// Records panics in place of printing them: a server's tasks catch their own.
pub fn watch_for_panics() {
    panic::set_hook(Box::new(|panic| {
        *LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = panic.to_string();
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
}

/// Runs one input.
///
/// # Errors
/// The words of a panic.
pub fn run(target: &Target, input: &[u8]) -> Result<String, String> {
    let before = PANICS.load(Ordering::SeqCst);
    let behaved = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if PANICS.load(Ordering::SeqCst) != before {
        return Err(LAST
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone());
    }
    behaved.map_err(|_| "a panic without words".to_owned())
}

/// Hunts through mutations of these inputs and of the target's seeds.
#[must_use]
pub fn hunt(target: &Target, corpus: Vec<Vec<u8>>, budget: Budget, seed: u64) -> Report {
    let mut random = Random::new(seed);
    let mut seen = HashSet::new();
    let mut report = Report {
        runs: 0,
        kept: Vec::new(),
        panic: None,
    };
    let mut first: Vec<_> = corpus.into_iter().chain((target.seeds)()).collect();
    let started = Instant::now();
    loop {
        let input = match first.pop() {
            Some(input) => input,
            None if report.kept.is_empty() => mutate(&mut random, b"", b""),
            None => {
                // Half of the time a late find, which is likely to be a deep one.
                let count = report.kept.len();
                let recent = count.min(16);
                let at = if random.below(2) == 0 {
                    count - 1 - random.below(recent)
                } else {
                    random.below(count)
                };
                let other = random.below(count);
                mutate(&mut random, &report.kept[at], &report.kept[other])
            }
        };
        report.runs += 1;
        match run(target, &input) {
            Ok(behaviour) => {
                if seen.insert(signature(&behaviour)) {
                    report.kept.push(input);
                }
            }
            Err(words) => {
                report.panic = Some((input, words));
                return report;
            }
        }
        let over = match budget {
            Budget::Runs(most) => report.runs >= most,
            Budget::Time(most) => started.elapsed() >= most,
        };
        if over && first.is_empty() {
            return report;
        }
    }
}

/// Behaviours that differ in numbers or in quoted text are one. What is quoted may hold quotes, so it reaches from the first to the
/// last of its part; parts are told apart by a bar.
fn signature(behaviour: &str) -> u64 {
    const QUOTES: [char; 2] = ['"', '`'];
    let mut hasher = DefaultHasher::new();
    for part in behaviour.split('|') {
        let before = part.split(QUOTES).next().unwrap_or_default();
        let after = part.rsplit(QUOTES).next().unwrap_or_default();
        for c in before
            .chars()
            .chain(after.chars())
            .filter(|c| !c.is_ascii_digit())
        {
            c.hash(&mut hasher);
        }
        '|'.hash(&mut hasher);
    }
    hasher.finish()
}

/// The inputs saved for a target.
///
/// # Errors
/// A file that cannot be read.
pub fn saved(corpus: &Path, target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let folder = corpus.join(target.name);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(fs::read).collect()
}

/// Saves an input under a name made of its content.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn save(corpus: &Path, target: &Target, input: &[u8]) -> io::Result<PathBuf> {
    let folder = corpus.join(target.name);
    fs::create_dir_all(&folder)?;
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder.join(format!("{:016x}", hasher.finish()));
    fs::write(&path, input)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviours_are_told_apart_by_their_words() {
        let same = |one, other| assert_eq!(signature(one), signature(other));
        same("unknown field `a`, line 1", "unknown field `bcd`, line 22");
        same(r#"found "a"b" here"#, r#"found "" here"#);
        assert_ne!(signature("too long"), signature("too short"));
        assert_ne!(signature("found \"a\" here"), signature("found \"a\" there"));
    }
}

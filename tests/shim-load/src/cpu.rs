//! CPU time of threads, as Linux counts it.

use std::fs;
use std::io;
use std::time::Duration;

/// What all threads of this name have used so far.
///
/// # Errors
/// `/proc` is not that of Linux.
pub(crate) fn of(name: &str) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm"))?.trim() == name {
            let stat = fs::read_to_string(thread.join("schedstat"))?;
            let first = stat
                .split_whitespace()
                .next()
                .and_then(|first| first.parse::<u64>().ok());
            nanoseconds += first.ok_or(io::ErrorKind::InvalidData)?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

//! The machine that was measured on, and what a process takes of it, from Linux's `/proc`.

use std::time::Duration;
use std::{fs, io};

/// One line: cores, what kind, how much else they had to do.
#[must_use]
pub fn state() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = field(&processors, "model name").unwrap_or("a processor without a name");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = read("/proc/loadavg");
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    format!("{cores} cores, {model}; load averages before: {load}")
}

/// The processor time that a process has used.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&stat)
        .map(|ticks| {
            Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
        })
        .ok_or_else(|| io::Error::other("/proc/PID/stat has another form"))
}

/// User and system time: fields 14 and 15. The second, in parentheses, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// What a process takes of the memory, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All that is resident, pages of the program's file among it, which every process of that program shares.
    pub resident_kib: u64,
    /// Of it, what it has written: heap and stacks.
    pub own_kib: u64,
}

/// What a process takes of the memory.
///
/// # Errors
/// When there is no such process.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |name| {
        field(&status, name)
            .and_then(|value| value.split(' ').next()?.parse().ok())
            .ok_or_else(|| io::Error::other("/proc/PID/status has another form"))
    };
    Ok(Memory {
        resident_kib: kib("VmRSS")?,
        own_kib: kib("RssAnon")?,
    })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_time_past_any_name() {
        let stat = "7 (a ) 9 b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 12345 1 2";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn measures_this_process() {
        let Memory {
            resident_kib,
            own_kib,
        } = memory(std::process::id()).unwrap();
        assert!(own_kib > 0 && own_kib < resident_kib, "{own_kib} {resident_kib}");
        assert!(processor_time(std::process::id()).is_ok());
        assert!(state().contains("cores"));
    }
}

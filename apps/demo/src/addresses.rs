//! Addresses for programs that have to be told them before they start.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that systems hand out by themselves, to connections too: nobody gets one of these by chance before its program listens.
const PORTS: Range<u16> = 10_000..20_000;
/// How far apart the ports of two processes begin, so that those that run beside each other seldom meet.
const APART: u32 = 97;

/// How many ports this process has tried.
static TRIED: AtomicU16 = AtomicU16::new(0);

/// Addresses on the loopback at which nobody listens; none is given twice by one process.
pub(crate) fn unused<const N: usize>() -> io::Result<[SocketAddr; N]> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut addresses {
        *address = next()?;
    }
    Ok(addresses)
}

fn next() -> io::Result<SocketAddr> {
    let count = u32::from(PORTS.end - PORTS.start);
    let first = process::id() % count * APART;
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in PORTS {
        let tried = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((first + tried) % count).map_err(io::Error::other)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + offset));
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_address_is_given_twice_nor_one_where_somebody_listens() {
        let [taken] = unused().unwrap();
        // The port after it is the next to be given.
        let beside = SocketAddr::from((taken.ip(), taken.port().saturating_add(1)));
        let _listener = TcpListener::bind(beside);
        let given: BTreeSet<SocketAddr> = unused::<20>().unwrap().into();
        assert_eq!(given.len(), 20);
        assert!(!given.contains(&taken) && !given.contains(&beside));
        assert!(given.iter().all(|address| PORTS.contains(&address.port())));
    }
}

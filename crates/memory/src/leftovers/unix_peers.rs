//! Which local sockets are connected to which: the kernel tells it over netlink alone
//! (sock_diag(7)).

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const REQUEST_DUMP: u16 = 0x301;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `UDIAG_SHOW_PEER`, and the attribute that answers it.
const SHOW_PEER: u32 = 4;
const PEER: u16 = 2;
/// `struct nlmsghdr`, `struct unix_diag_msg`, `struct nlattr`.
const HEADER: usize = 16;
const MESSAGE: usize = 16;
const ATTRIBUTE: usize = 4;

/// The kernel answers at once; this is for one that doesn't.
const PATIENCE: Duration = Duration::from_millis(500);

/// The inode of every local socket of our network namespace with that of its peer; 0 where the
/// peer has been closed or there is none.
pub(super) fn read() -> io::Result<BTreeMap<u64, u64>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    rustix::net::sockopt::set_socket_timeout(
        &socket,
        rustix::net::sockopt::Timeout::Recv,
        Some(PATIENCE),
    )?;
    send(&socket, &request(), SendFlags::empty())?;
    let mut peers = BTreeMap::new();
    let mut buffer = vec![0_u8; 64 << 10];
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let (_, length) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        if add(buffer.get(..length).unwrap_or_default(), &mut peers)? {
            return Ok(peers);
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// The header, then `struct unix_diag_req`: the family, all states, all inodes.
fn request() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    bytes.extend(40_u32.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([AddressFamily::UNIX.as_raw() as u8, 0, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(SHOW_PEER.to_ne_bytes());
    bytes.extend([0xff; 8]);
    bytes
}

/// Adds what one datagram tells; whether it was the last.
fn add(mut datagram: &[u8], peers: &mut BTreeMap<u64, u64>) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(datagram, 0), u16_at(datagram, 4)) {
        match kind {
            DONE => return Ok(true),
            ERROR => return Err(io::ErrorKind::Unsupported.into()),
            _ => {}
        }
        let length = length as usize;
        if length < HEADER {
            break;
        }
        let Some(message) = datagram.get(HEADER..length) else {
            break;
        };
        if let Some(inode) = u32_at(message, 4) {
            let attributes = message.get(MESSAGE..).unwrap_or_default();
            peers.insert(inode.into(), peer(attributes).unwrap_or(0).into());
        }
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

fn peer(mut attributes: &[u8]) -> Option<u32> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        if u16_at(attributes, 2)? == PEER {
            return u32_at(attributes, ATTRIBUTE);
        }
        attributes = attributes.get(aligned(length.max(ATTRIBUTE))..)?;
    }
}

/// Messages and attributes begin at multiples of four.
fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    fn inode(socket: &UnixStream) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd()));
        let link = link.expect("a link").to_string_lossy().into_owned();
        let digits: String = link.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("socket:[1234]")
    }

    #[test]
    fn both_ends_of_a_pair_know_each_other_until_one_is_closed() {
        let (one, other) = UnixStream::pair().expect("a pair");
        let peers = match read() {
            Ok(peers) => peers,
            Err(error) => {
                eprintln!("skipped: the kernel doesn't tell of sockets: {error}");
                return;
            }
        };
        assert_eq!(peers.get(&inode(&one)), Some(&inode(&other)));
        assert_eq!(peers.get(&inode(&other)), Some(&inode(&one)));
        drop(other);
        let peers = read().expect("as before");
        assert_eq!(peers.get(&inode(&one)), Some(&0));
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = add(&bytes, &mut BTreeMap::new());
        }
    }
}

//! Which sockets listen, and which of them have a client.

use std::collections::BTreeSet;

use crate::kept::slurp;
use crate::roots::Roots;

/// What a process's network namespace says of sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Inodes of listening sockets, with where they listen.
    listening: Vec<(u64, Address)>,
    /// Where connections have been accepted.
    connected: BTreeSet<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Address {
    Port(u16),
    Path(Vec<u8>),
}

/// What a listening socket says of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Listens {
    No,
    WithNobody,
    WithClient,
}

impl Sockets {
    /// As seen by a process. What can't be read is taken for nothing.
    pub(super) fn of(roots: &Roots, pid: u32) -> Self {
        let text = |file: &str| {
            let bytes = slurp(&roots.proc.join(format!("{pid}/net/{file}"))).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut sockets = Self::default();
        sockets.add_inet(&text("tcp"));
        sockets.add_inet(&text("tcp6"));
        sockets.add_unix(&text("unix"));
        sockets
    }

    /// Whether one of these inodes is a listening socket.
    pub(super) fn listens(&self, inodes: &BTreeSet<u64>) -> Listens {
        let ours = self
            .listening
            .iter()
            .filter(|(inode, _)| inodes.contains(inode));
        ours.map(|(_, address)| {
            if self.connected.contains(address) {
                Listens::WithClient
            } else {
                Listens::WithNobody
            }
        })
        .max()
        .unwrap_or(Listens::No)
    }

    /// The ports on which one of these inodes listens.
    #[cfg(feature = "runtimes")]
    pub(super) fn ports(&self, inodes: &BTreeSet<u64>) -> Vec<u16> {
        self.listening
            .iter()
            .filter(|(inode, _)| inodes.contains(inode))
            .filter_map(|(_, address)| match address {
                Address::Port(port) => Some(*port),
                Address::Path(_) => None,
            })
            .collect()
    }

    /// `sl local_address rem_address st … inode` (proc_net_tcp(5)); 0A listens, 01 is connected.
    fn add_inet(&mut self, text: &str) {
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (Some(local), Some(&state), Some(inode)) =
                (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            let port = local
                .rsplit_once(':')
                .and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            let Some(address) = port.map(Address::Port) else {
                continue;
            };
            match (state, inode.parse()) {
                ("0A", Ok(inode)) => self.listening.push((inode, address)),
                ("01", _) => {
                    self.connected.insert(address);
                }
                _ => {}
            }
        }
    }

    /// `Num RefCount Protocol Flags Type St Inode Path`; the flag 10000 listens, the state 03 is
    /// connected. An accepted socket bears the path of the one that listens.
    fn add_unix(&mut self, text: &str) {
        for line in text.lines().skip(1) {
            let mut fields = line.split(' ').filter(|field| !field.is_empty());
            let (Some(flags), Some(state), Some(inode)) =
                (fields.nth(3), fields.nth(1), fields.next())
            else {
                continue;
            };
            let path: Vec<&str> = fields.collect();
            let address = Address::Path(path.join(" ").into_bytes());
            let listens = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & 0x1_0000 != 0);
            match inode.parse() {
                Ok(inode) if listens => self.listening.push((inode, address)),
                Ok(_) if state == "03" && !path.is_empty() => {
                    self.connected.insert(address);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_and_their_clients() {
        let mut sockets = Sockets::default();
        sockets.add_inet(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1\n\
             1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1\n\
             2: 0100007F:1F91 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 103 1\n",
        );
        sockets.add_unix(
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 201 /run/a b\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 202 /run/a b\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 203\n",
        );
        let listens = |inode| sockets.listens(&BTreeSet::from([inode]));
        assert_eq!(listens(101), Listens::WithNobody);
        assert_eq!(listens(102), Listens::WithClient);
        assert_eq!(listens(103), Listens::No);
        assert_eq!(listens(201), Listens::WithClient);
        assert_eq!(listens(203), Listens::No);
    }

    #[test]
    fn garbage_is_nothing() {
        let mut sockets = Sockets::default();
        sockets.add_inet("a\nb c d\n1: 2 3 0A x x x x x y\n");
        sockets.add_unix("a\nb c d\n1: 2 3 4 5 6 7\n");
        assert!(sockets.listening.is_empty());
    }
}

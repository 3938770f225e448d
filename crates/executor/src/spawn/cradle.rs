//! A thread that lives in the groups in which processes are to be born.
//!
//! A process is born in the groups of the *thread* that makes it, and cgroup v1 lets single
//! threads move. So a thread moves once, and what it makes needs no move any more. That counts:
//! whenever the kernel moves a process it waits for all cores, which took 0.3 ms on an idle
//! machine and 2 ms on a busy one, and on kernels without `favordynmods` 15 ms.
//!
//! The thread's memory is still charged to the group of its process. But the group's list of
//! processes names ours as long as the thread is in it, and so long it can't be removed.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::clone::Order;
use super::signals::BlockedSignals;

type Made = io::Result<(u32, OwnedFd)>;

/// The thread; it ends with this.
#[derive(Debug)]
pub(crate) struct Cradle {
    orders: Option<SyncSender<Order>>,
    made: Receiver<Made>,
    thread: Option<JoinHandle<()>>,
}

impl Cradle {
    /// Starts the thread; `settle` moves it to where it is to live.
    pub(crate) fn start(
        settle: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        // One order at a time: whoever gives it waits.
        let (orders, ordered) = sync_channel::<Order>(1);
        let (reply, made) = sync_channel(1);
        let (settled, is_settled) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("cradle".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                let _blocked = BlockedSignals::block();
                let result = settle();
                let failed = result.is_err();
                if settled.send(result).is_err() || failed {
                    return;
                }
                while let Ok(order) = ordered.recv() {
                    if reply.send(order.make()).is_err() {
                        return;
                    }
                }
            })?;
        is_settled.recv().map_err(|_| gone())??;
        Ok(Self {
            orders: Some(orders),
            made,
            thread: Some(thread),
        })
    }

    /// Has a child made, and waits until it has become its program.
    pub(super) fn make(&self, order: Order) -> Made {
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(order).map_err(|_| gone())?;
        self.made.recv().map_err(|_| gone())?
    }
}

impl Drop for Cradle {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It only waits for orders, so it ends at once.
            let _ = thread.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that makes processes is gone")
}

//! Garbage of Node processes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::awaken::{by_signal, catches_usr1};
use super::inspector::Inspector;
use super::malloc::HeapUse;
use super::{About, Figure, Outcome, Prospect, Step, Taken};
use crate::bytes::show;
use crate::census::{Census, Process};
use crate::holders::sanitised;
use crate::leftovers::listening_ports;
use crate::process::{ProcessId, proportional_bytes};
use crate::program::Program;
use crate::roots::Roots;

/// Where Node opens its inspector unless told otherwise.
pub(super) const DEFAULT_PORT: u16 = 9229;
/// A heap of several GiB takes seconds.
const COLLECT: Duration = Duration::from_secs(30);
/// What is answered without work.
pub(super) const ANSWER: Duration = Duration::from_millis(500);
/// How long the collector may take to hand pages back after it has run.
const SETTLES: Duration = Duration::from_millis(600);

/// Has the Node processes of our user collect their garbage (`HeapProfiler.collectGarbage`), in
/// our network namespace, through the inspector of those that listen already.
///
/// It needs no permission beyond being the same user. The program stands still while it
/// collects, about a second for each GiB of heap, and Node writes "Debugger attached." to its
/// standard error.
///
/// With `signal` those that don't listen are made to, by SIGUSR1, and their inspector is closed
/// again. While it is open any program of this machine can run code in them; a program that uses
/// SIGUSR1 for itself does whatever it does then. One that would die of the signal is left alone.
#[derive(Debug)]
pub struct Node {
    roots: Roots,
    signal: bool,
    seen: Option<Vec<(Process, Program)>>,
}

/// A Node process, and how it can be reached.
struct Found {
    id: ProcessId,
    name: String,
    bytes: u64,
    reach: Reach,
}

enum Reach {
    /// One of these ports may be its inspector.
    Ports(Vec<u16>),
    /// It can be made to listen.
    Signal,
    /// It can't be reached, for this reason.
    Not(&'static str),
}

impl Node {
    /// Of the system with these files.
    pub fn new(roots: &Roots, signal: bool) -> Self {
        Self {
            roots: roots.clone(),
            signal,
            seen: None,
        }
    }

    /// With a census that was taken a moment ago, so that a look needs none of its own. Taking
    /// the step looks anew in any case.
    pub fn seen_in(mut self, census: &Census) -> Self {
        self.seen = Some(nodes(census, &self.roots));
        self
    }

    fn find(&self) -> Result<Vec<Found>, Outcome> {
        let census =
            Census::take(&self.roots).map_err(|error| Outcome::failed(error.to_string()))?;
        Ok(self.found(&nodes(&census, &self.roots)))
    }

    fn found(&self, nodes: &[(Process, Program)]) -> Vec<Found> {
        nodes
            .iter()
            .map(|(process, program)| Found {
                id: process.id,
                name: format!("{} ({})", sanitised(&program.short()), process.id.pid),
                bytes: process.rss_bytes,
                reach: self.reach(process),
            })
            .collect()
    }

    fn reach(&self, process: &Process) -> Reach {
        let pid = process.id.pid;
        if !same_network(&self.roots, pid) {
            return Reach::Not("lives in another network");
        }
        let ports = inspector_ports(process, &self.roots);
        if !ports.is_empty() {
            return Reach::Ports(ports);
        }
        if !catches_usr1(&self.roots, pid) {
            return Reach::Not("has no inspector, and would die of SIGUSR1");
        }
        if self.signal {
            Reach::Signal
        } else {
            Reach::Not("has no inspector open; --signal-node opens it")
        }
    }
}

impl Step for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn about(&self) -> About {
        About {
            does: "has Node processes of ours collect their garbage",
            needs: "their inspector to listen (node --inspect), or --signal-node",
            costs: "each stands still while it collects, about 1 s for each GiB of heap",
            figure: Figure::Held,
        }
    }

    fn look(&mut self) -> Prospect {
        let found = match &self.seen {
            Some(seen) => Ok(self.found(seen)),
            None => self.find(),
        };
        let found = match found {
            Ok(found) => found,
            Err(outcome) => return Prospect::none(outcome),
        };
        let mut prospect = Prospect::default();
        let mut refusals = Vec::new();
        for node in &found {
            match &node.reach {
                Reach::Ports(_) => prospect.acts.push(format!("collect in {}", node.name)),
                Reach::Signal => prospect.acts.push(format!(
                    "open the inspector of {} by SIGUSR1, collect, close it",
                    node.name
                )),
                Reach::Not(why) => {
                    refusals.push(format!("{} {why}", node.name));
                    continue;
                }
            }
            let sum = prospect.at_most_bytes.unwrap_or(0);
            prospect.at_most_bytes = Some(sum.saturating_add(node.bytes));
        }
        if prospect.acts.is_empty() {
            prospect.hindrance = Some(nobody(&refusals));
        }
        prospect
    }

    fn take(&mut self) -> Taken {
        let found = match self.find() {
            Ok(found) => found,
            Err(outcome) => return Taken::not(outcome),
        };
        let mut acts = Vec::new();
        let mut refusals = Vec::new();
        let mut failures = Vec::new();
        let mut collected = 0;
        let (mut before, mut after) = (0_u64, 0_u64);
        for node in &found {
            let held = || held(&self.roots, node.id);
            let held_before = held();
            let result = match &node.reach {
                Reach::Not(why) => {
                    refusals.push(format!("{} {why}", node.name));
                    continue;
                }
                Reach::Ports(ports) => collect_at(ports).map(Some),
                Reach::Signal => by_signal(node.id, &self.roots),
            };
            match result {
                // It listens, but not for debuggers.
                Ok(None) => refusals.push(format!("{} has no inspector", node.name)),
                Ok(Some(heaps)) => {
                    let held_after = settled(held);
                    before = before.saturating_add(held_before);
                    after = after.saturating_add(held_after);
                    collected += 1;
                    acts.push(format!(
                        "collected in {}: heap {} -> {}, held {} -> {}",
                        node.name,
                        show(heaps.0.used_bytes),
                        show(heaps.1.used_bytes),
                        show(held_before),
                        show(held_after)
                    ));
                }
                // It has ended meanwhile.
                Err(_) if !is_there(&self.roots, node.id) => {}
                Err(why) => failures.push(format!("{}: {why}", node.name)),
            }
        }
        let outcome = match (collected, failures.is_empty()) {
            (_, false) => Outcome::failed(failures.join("; ")),
            (0, true) => nobody(&refusals),
            (_, true) => Outcome::Done,
        };
        let measured = collected > 0;
        Taken {
            outcome,
            acts,
            before_bytes: measured.then_some(before),
            after_bytes: measured.then_some(after),
        }
    }
}

fn nobody(refusals: &[String]) -> Outcome {
    if refusals.is_empty() {
        Outcome::nothing("no Node process of ours runs")
    } else {
        Outcome::refused(
            refusals.join("; "),
            "start them with --inspect, or use --signal-node",
        )
    }
}

/// The sum of the heaps of our session's Node processes whose inspector listens, and how many
/// they are; `None` when there is none.
pub fn session_node_heap(census: &Census, roots: &Roots) -> Option<(HeapUse, usize)> {
    let mut sum = HeapUse::default();
    let mut count = 0;
    for (process, _) in &nodes(census, roots) {
        let pid = process.id.pid;
        if !census.is_of_our_session(pid) || !same_network(roots, pid) {
            continue;
        }
        let ports = inspector_ports(process, roots);
        let Some(heap) = ports
            .into_iter()
            .find_map(|port| heap(&mut Inspector::connect(port).ok()?).ok())
        else {
            continue;
        };
        sum.used_bytes = sum.used_bytes.saturating_add(heap.used_bytes);
        sum.total_bytes = sum.total_bytes.saturating_add(heap.total_bytes);
        count += 1;
    }
    (count > 0).then_some((sum, count))
}

fn nodes(census: &Census, roots: &Roots) -> Vec<(Process, Program)> {
    census
        .processes()
        .filter(|process| process.user == census.own_user() && !process.zombie)
        .filter(|process| {
            // Asking for the executable of each would take long; whoever calls itself
            // differently and isn't seen here is only left alone.
            let name = process.name.to_string_lossy();
            let called = process.called().to_string_lossy();
            [&*name, &*called]
                .iter()
                .any(|name| name.contains("node") || name.contains("Main"))
        })
        .filter_map(|process| {
            let program = Program::of(process, roots);
            let is_node = program.executable == "node" || program.executable == "nodejs";
            is_node.then(|| (process.clone(), program))
        })
        .collect()
}

/// The ports on which a process listens and that may be its inspector's: those that its
/// arguments allow for, or Node's default.
fn inspector_ports(process: &Process, roots: &Roots) -> Vec<u16> {
    let mut ports = listening_ports(roots, process.id.pid);
    match asked_port(process) {
        // Port 0 lets the system choose.
        Some(0) => {}
        Some(port) => ports.retain(|listening| *listening == port),
        None => ports.retain(|listening| *listening == DEFAULT_PORT),
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The port in `--inspect`, `--inspect=PORT`, `--inspect-brk=HOST:PORT`, `--inspect-port=PORT`.
fn asked_port(process: &Process) -> Option<u16> {
    process.arguments.iter().skip(1).find_map(|argument| {
        let argument = argument.to_str()?;
        let rest = argument.strip_prefix("--inspect")?;
        match rest.split_once('=') {
            Some((_, value)) => value.rsplit(':').next()?.parse().ok(),
            None => Some(DEFAULT_PORT),
        }
    })
}

/// Collects at the first of these ports that is an inspector; the heap before and after.
fn collect_at(ports: &[u16]) -> Result<(HeapUse, HeapUse), String> {
    let mut why = String::from("no inspector");
    for port in ports {
        match Inspector::connect(*port) {
            Ok(mut inspector) => return collect(&mut inspector),
            Err(error) => why = error,
        }
    }
    Err(why)
}

pub(super) fn collect(inspector: &mut Inspector) -> Result<(HeapUse, HeapUse), String> {
    let before = heap(inspector)?;
    inspector.call("HeapProfiler.collectGarbage", &json!({}), COLLECT)?;
    Ok((before, heap(inspector)?))
}

fn heap(inspector: &mut Inspector) -> Result<HeapUse, String> {
    let answer = inspector.call("Runtime.getHeapUsage", &json!({}), ANSWER)?;
    // They come as floating-point numbers; a cast saturates.
    let bytes = |key: &str| {
        answer
            .get(key)
            .and_then(Value::as_f64)
            .map(|number| number as u64)
            .ok_or_else(|| "Runtime.getHeapUsage answers without figures".to_owned())
    };
    Ok(HeapUse {
        used_bytes: bytes("usedSize")?,
        total_bytes: bytes("totalSize")?,
    })
}

/// The figure once it no longer falls: pages are handed back by another thread than collects.
pub(super) fn settled(held: impl Fn() -> u64) -> u64 {
    let deadline = Instant::now() + SETTLES;
    let mut last = held();
    let mut same = 0;
    while same < 3 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
        let now = held();
        same = if now < last { 0 } else { same + 1 };
        last = last.min(now);
    }
    last
}

pub(super) fn is_there(roots: &Roots, id: ProcessId) -> bool {
    ProcessId::read(roots, id.pid).ok().flatten() == Some(id)
}

pub(super) fn held(roots: &Roots, id: ProcessId) -> u64 {
    proportional_bytes(&roots.proc, id.pid)
        .ok()
        .flatten()
        .unwrap_or(0)
}

fn same_network(roots: &Roots, pid: u32) -> bool {
    let of = |who: &str| std::fs::read_link(roots.proc.join(format!("{who}/ns/net"))).ok();
    let own = of("self");
    own.is_some() && own == of(&pid.to_string())
}

//! Every path, each state once.

use std::collections::HashSet;

use super::digest::digest;
use super::setting::Setting;
use super::step::Step;
use super::world::World;

/// What the search of one world showed.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Different states at which something could be chosen, and the first.
    pub(super) states: u64,
    /// Events on the way between them.
    pub(super) events: u64,
    /// Different ends.
    pub(super) ends: u64,
    /// The longest run, in milliseconds of the world's own time.
    pub(super) longest_ms: u64,
    /// The most attempts ended to make room in one run.
    pub(super) endings: u64,
    /// The first broken promise and the steps that led there.
    pub(super) violation: Option<(String, Vec<Step>)>,
}

/// A state whose steps are being tried.
struct Open {
    world: World,
    steps: Vec<Step>,
    next: usize,
}

/// Goes through all paths of one world, depth first. Time only moves on, so that there are no
/// circles, and every path ends or is too long.
pub(super) fn explore(setting: &Setting) -> Found {
    let mut found = Found::default();
    let mut seen: HashSet<u128> = HashSet::new();
    let mut path: Vec<Step> = Vec::new();
    let mut open: Vec<(Open, usize)> = Vec::new();
    match World::new(setting) {
        Ok(world) => enter(world, setting, &mut found, &mut seen, &mut path, &mut open),
        Err(broken) => found.violation = Some((broken, Vec::new())),
    }
    while found.violation.is_none() {
        let Some((top, length)) = open.last_mut() else {
            break;
        };
        path.truncate(*length);
        let Some(&step) = top.steps.get(top.next) else {
            open.pop();
            continue;
        };
        top.next += 1;
        let mut world = top.world.clone();
        path.push(step);
        found.events += 1;
        match world.take(step, setting) {
            Ok(()) => enter(world, setting, &mut found, &mut seen, &mut path, &mut open),
            Err(broken) => found.violation = Some((broken, path.clone())),
        }
    }
    found
}

/// Goes on from a state: through all steps without a choice, to an end or to the next choice.
fn enter(
    mut world: World,
    setting: &Setting,
    found: &mut Found,
    seen: &mut HashSet<u128>,
    path: &mut Vec<Step>,
    open: &mut Vec<(Open, usize)>,
) {
    loop {
        if world.is_over() {
            if seen.insert(digest(&world)) {
                found.ends += 1;
                found.longest_ms = found.longest_ms.max(world.milliseconds());
                found.endings = found.endings.max(world.endings());
            }
            if let Err(broken) = world.check_end(setting) {
                found.violation = Some((broken, path.clone()));
            }
            return;
        }
        if path.len() > setting.bounds.depth as usize {
            found.violation = Some(("the run does not end".into(), path.clone()));
            return;
        }
        let steps = world.steps();
        match steps[..] {
            [] => {
                found.violation = Some(("nothing can happen any more".into(), path.clone()));
                return;
            }
            [only] => {
                path.push(only);
                found.events += 1;
                if let Err(broken) = world.take(only, setting) {
                    found.violation = Some((broken, path.clone()));
                    return;
                }
            }
            _ => {
                if seen.insert(digest(&world)) {
                    found.states += 1;
                    let opened = Open {
                        world,
                        steps,
                        next: 0,
                    };
                    open.push((opened, path.len()));
                }
                return;
            }
        }
    }
}

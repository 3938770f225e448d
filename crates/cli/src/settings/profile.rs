//! Profiles: settings under a name, taken by that name only.

use std::path::Path;
use std::sync::Arc;

use saferun_memory::{Machine as Memory, Roots};

use super::document::{Document, Owner};
use super::layer::Layer;
use super::problem;
use super::source::Sourced;
use crate::error::CliError;

/// The profiles that come with saferun.
const SHIPPED: &str = include_str!("../../../../config/profiles.toml");

/// A profile.
#[derive(Debug)]
pub(super) struct Profile {
    /// Its name.
    pub(super) name: Arc<str>,
    /// What holds on every machine.
    pub(super) layer: Layer,
    /// What holds on machines of some size, over the above.
    pub(super) machines: Vec<Machine>,
}

/// The part of a profile for machines of some size.
#[derive(Debug)]
pub(super) struct Machine {
    /// So much memory a machine has at least, in bytes.
    pub(super) at_least: u64,
    /// What holds there.
    pub(super) layer: Layer,
}

impl Profile {
    /// The settings on a machine of so many bytes: those of the largest size that it has.
    fn on(&self, memory: u64) -> Layer {
        let fitting = self.machines.iter().filter(|part| part.at_least <= memory);
        match fitting.max_by_key(|part| part.at_least) {
            Some(part) => part.layer.clone().over(self.layer.clone()),
            None => self.layer.clone(),
        }
    }
}

/// The layer of the profile of this name; the uppermost document that defines it counts.
pub(super) fn layer(wanted: &Sourced<String>, documents: &[Document]) -> Result<Layer, CliError> {
    let shipped = shipped()?;
    let all = || documents.iter().chain([&shipped]);
    let mut profiles = all().flat_map(|document| &document.profiles);
    let Some(profile) = profiles.find(|profile| *profile.name == *wanted.value) else {
        let mut names: Vec<&str> = Vec::new();
        for profile in all().flat_map(|document| &document.profiles) {
            if !names.contains(&&*profile.name) {
                names.push(&profile.name);
            }
        }
        return Err(problem::unknown_profile(
            &wanted.value,
            &wanted.source,
            &names,
        ));
    };
    if profile.machines.is_empty() {
        return Ok(profile.layer.clone());
    }
    Ok(profile.on(memory(&profile.name)?))
}

fn shipped() -> Result<Document, CliError> {
    let file: Arc<Path> = Path::new("config/profiles.toml").into();
    Document::parse(SHIPPED.as_bytes(), &file, Owner::Shipped)
}

/// What this machine has, or its container may have, whichever is less; in bytes.
fn memory(profile: &str) -> Result<u64, CliError> {
    let reading = Memory::open(&Roots::default()).and_then(|mut machine| machine.read());
    let reading = reading.map_err(|error| {
        CliError::usage(
            format!(
                "profile {profile} depends on this machine's memory, which can't be read: {error}"
            ),
            "another profile",
        )
    })?;
    let limits = reading.groups.iter().map(|group| group.limit_bytes);
    Ok(limits.fold(reading.total_bytes, u64::min))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::values::Jobs;

    fn on(name: &str, memory: u64) -> (Option<bool>, Option<usize>, Option<u64>) {
        let shipped = shipped().unwrap();
        let profile = shipped.profiles.iter().find(|p| *p.name == *name).unwrap();
        let layer = profile.on(memory);
        let count = layer.concurrency.map(|sourced| match sourced.value {
            Jobs::Count(count) => count.get(),
            Jobs::Auto => 0,
        });
        (
            layer.parallel.map(|sourced| sourced.value),
            count,
            layer.memory_threshold.map(|sourced| sourced.value >> 20),
        )
    }

    #[test]
    fn what_is_shipped() {
        let any = 1 << 30;
        assert_eq!(on("development", any), (Some(true), Some(2), Some(4096)));
        assert_eq!(on("production", any), (Some(false), None, None));
        assert_eq!(on("aggressive", any), (Some(true), Some(3), Some(3072)));
        assert_eq!(shipped().unwrap().profiles.len(), 4);
    }

    #[test]
    fn ram_goes_by_the_machine() {
        const GB: u64 = 1_000_000_000;
        let one_by_one = (Some(false), None, None);
        let two = (Some(true), Some(2), Some(3072));
        let three = (Some(true), Some(3), Some(5120));
        for (memory, expected) in [
            (0, one_by_one),
            (6 * GB - 1, one_by_one),
            (6 * GB, two),
            (12 * GB - 1, two),
            (12 * GB, three),
            // Machines as they are sold: less what firmware and kernel keep.
            ((4 << 30) - GB / 5, one_by_one),
            ((8 << 30) - GB / 4, two),
            ((16 << 30) - GB / 3, three),
            (u64::MAX, three),
        ] {
            assert_eq!(on("ram", memory), expected, "{memory}");
        }
    }
}

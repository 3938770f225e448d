//! What agents have made for the project around the working directory, as a step.

use saferun_memory::reclaim::{About, Outcome, Prospect, Step, Taken};
use saferun_memory::show;

use super::disk;
use crate::args::SettingsArgs;
use crate::artifacts::prune::{self, Expired};
use crate::artifacts::{ArtifactSettings, Store};
use crate::settings::Configuration;
use crate::space::space_taken;

/// Sessions of agents that have expired by their age or by what all of them take.
#[derive(Debug)]
pub(super) struct Artifacts;

impl Artifacts {
    fn store() -> Result<(Store, ArtifactSettings), String> {
        let store = Store::find().map_err(|error| error.to_string())?;
        let settings = Configuration::gather(&SettingsArgs::default())
            .and_then(|configuration| ArtifactSettings::of(&configuration))
            .map_err(|error| error.to_string())?;
        Ok((store, settings))
    }

    /// The store with what has expired in it, of which there is something.
    fn expired() -> Result<(Store, ArtifactSettings, Vec<Expired>), Outcome> {
        let (store, settings) = Self::store().map_err(Outcome::failed)?;
        if !store.root().is_dir() {
            return Err(Outcome::nothing(
                "there is no store of what agents have made here",
            ));
        }
        let expired = prune::expired(&store, &settings)
            .map_err(|error| Outcome::failed(error.to_string()))?;
        if expired.is_empty() {
            return Err(Outcome::nothing(
                "nothing in the store of what agents have made here has expired",
            ));
        }
        Ok((store, settings, expired))
    }
}

impl Step for Artifacts {
    fn name(&self) -> &'static str {
        "artifacts"
    }

    fn about(&self) -> About {
        About {
            does: "removes what agents have made, once it is too old or too much",
            needs: "nothing",
            costs: "it can't be looked up any more",
            figure: disk::figure(Store::find().ok().as_ref().map(Store::root)),
        }
    }

    fn look(&mut self) -> Prospect {
        match Self::expired() {
            Err(outcome) => Prospect::none(outcome),
            Ok((_, _, expired)) => Prospect {
                acts: expired
                    .iter()
                    .map(|session| format!("remove {}", words(session)))
                    .collect(),
                at_most_bytes: Some(
                    expired
                        .iter()
                        .fold(0, |sum: u64, session| sum.saturating_add(session.bytes)),
                ),
                hindrance: None,
            },
        }
    }

    fn take(&mut self) -> Taken {
        let (store, settings, _) = match Self::expired() {
            Err(outcome) => return Taken::not(outcome),
            Ok(found) => found,
        };
        let before = space_taken(store.root());
        let (outcome, removed) = match prune::prune(&store, &settings) {
            Ok(removed) => (Outcome::Done, removed),
            Err(error) => (Outcome::failed(error.to_string()), Vec::new()),
        };
        Taken {
            outcome,
            acts: removed
                .iter()
                .map(|session| format!("removed {}", words(session)))
                .collect(),
            before_bytes: Some(before),
            after_bytes: Some(space_taken(store.root())),
        }
    }
}

fn words(session: &Expired) -> String {
    let bytes = show(session.bytes);
    format!(
        "session {} with {bytes}: {}",
        session.id,
        session.why.words()
    )
}

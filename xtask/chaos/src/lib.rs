//! Random mixes of unruly tasks in a small machine, with random blows to the run itself, each
//! judged by what must hold whatever happens.
//!
//! [`Player::play`] plays the run of a seed in a [`Cage`] and gives back a [`Record`] of it;
//! [`Tally`] adds records up. It is a crate of its own because it is played in two places: on this
//! machine, and inside an emulated one.
#![deny(missing_docs)]

pub mod breach;
mod cage;
mod judge;
mod plan;
mod player;
mod record;
mod stage;
mod tally;

pub use cage::Cage;
pub use plan::UNBRAKED_GROWTH;
pub use player::{Played, Player};
pub use record::Record;
pub use tally::Tally;

/// Anything that keeps a run from being played; one line says it.
pub type Failure = Box<dyn std::error::Error>;

/// What holds the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tier {
    /// The best that this machine offers: memory groups of version 1
    Best,
    /// Process trees only
    Tree,
    /// Control groups of version 2 as root, in an emulated machine
    V2,
    /// The same as an ordinary user to whom a group is delegated
    V2User,
}

impl Tier {
    /// What it is called, on the command line too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tier::Best => "best",
            Tier::Tree => "tree",
            Tier::V2 => "v2",
            Tier::V2User => "v2-user",
        }
    }

    /// What the program is asked for.
    pub(crate) fn containment(self) -> &'static str {
        match self {
            Tier::Tree => "tree",
            Tier::Best | Tier::V2 | Tier::V2User => "best",
        }
    }

    /// What the program has to say that it uses.
    pub(crate) fn called(self) -> &'static str {
        match self {
            Tier::Best => "cgroup v1",
            Tier::Tree => "process trees",
            Tier::V2 | Tier::V2User => "cgroup v2",
        }
    }

    /// Whether something holds growth near the limit without anybody's looking.
    pub(crate) fn has_brake(self) -> bool {
        self != Tier::Tree
    }
}

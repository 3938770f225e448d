//! Carrying out a plan with agents: programs that somebody else has written.
//!
//! A [`Crew`] is the plan with its programs, checked before anything starts. Each member becomes
//! a task whose command is this program in a hidden mode ([`launch`]): only when it starts, and
//! all that it follows has ended, its prompt is made, with digests of what came before
//! ([`handover`]), and then the agent's program takes its place. A [`Recorder`] writes down what
//! happens; a [`checkpoint`] after each agent says what the session holds.

pub(crate) mod become_agent;
pub(crate) mod checkpoint;
pub(crate) mod crew;
pub(crate) mod fact;
pub(crate) mod folder;
pub(crate) mod handover;
pub(crate) mod launch;
pub(crate) mod placeholder;
pub(crate) mod record;
pub(crate) mod tasks;

pub(crate) use crew::{Crew, Member};
pub(crate) use record::Recorder;

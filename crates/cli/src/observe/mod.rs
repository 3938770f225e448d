//! Readers of a run's events: what a person sees and what a program reads.
//!
//! Each turns events into bytes and nothing else. Each holds bounded memory however many tasks
//! there are.

mod bar;
mod figures;
mod json;
mod json_file;
mod json_steps;
mod plain;
mod steps;
mod summary;
mod terminal;
mod verbose;
pub(crate) mod words;

pub(crate) use bar::Bar;
pub(crate) use json::Json;
pub(crate) use json_file::JsonFile;
pub(crate) use plain::Plain;
pub(crate) use steps::Steps;
pub(crate) use summary::Summary;
pub(crate) use terminal::{Terminal, plain_writer};
pub(crate) use verbose::Verbose;

use std::time::Duration;

use saferun_executor::{Observer, RunEvent, Say};

/// Several observers as one.
#[derive(Default)]
pub(crate) struct Observers {
    all: Vec<Box<dyn Observer>>,
}

impl Observers {
    /// Adds one; they are told in the order in which they were added.
    pub(crate) fn add(&mut self, observer: impl Observer + 'static) {
        self.add_boxed(Box::new(observer));
    }

    /// The same for one in a box.
    pub(crate) fn add_boxed(&mut self, observer: Box<dyn Observer>) {
        self.all.push(observer);
    }
}

impl Observer for Observers {
    fn on(&mut self, event: &RunEvent, at: Duration, say: &mut dyn Say) {
        for observer in &mut self.all {
            observer.on(event, at, say);
        }
    }
}

/// Says one line.
fn line(say: &mut dyn Say, text: &str) {
    let mut bytes = Vec::with_capacity(text.len() + 10);
    bytes.extend_from_slice(b"saferun: ");
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    say.say(&bytes);
}

#[cfg(test)]
mod testing;

//! Writing down what happens to agents while it happens.
//!
//! The run's loop must not wait for locks, so a thread of its own changes the manifest. Only one
//! small file is written at once: how an attempt ended, in the agent's folder, since whoever
//! follows reads it when it starts.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use saferun_executor::{AttemptEnd, Observer, RunEvent, Say};
use saferun_scheduler::{Outcome, TaskId};

use super::checkpoint::Checkpoints;
use super::fact::Fact;
use super::folder;
use crate::artifacts::digest::Limit;
use crate::artifacts::manifest::{OutputFile, private};
use crate::artifacts::{AgentRecord, Manifest, Moment, Session, Status};
use crate::observe::words;

/// What the thread is told.
enum Message {
    Started(String, u32),
    Ended(String, Fact),
    Concluded(String, Status, Option<String>),
}

/// The observer that tells the thread.
pub(crate) struct Recorder {
    directory: PathBuf,
    ids: Vec<String>,
    /// Attempts that were stopped with the run.
    stopped: HashMap<TaskId, bool>,
    sender: Sender<Message>,
    said: Arc<Mutex<Vec<String>>>,
    /// Whether words are for a person to read.
    speaks: bool,
}

/// The thread, to be waited for when the run is over.
pub(crate) struct Recording {
    thread: JoinHandle<()>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Starts the thread.
    pub(crate) fn start(
        session: &Session,
        ids: Vec<String>,
        limit: Limit,
        checkpoints: Checkpoints,
        speaks: bool,
    ) -> std::io::Result<(Self, Recording)> {
        let (sender, receiver) = channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer {
            session: session.id.clone(),
            directory: session.directory.clone(),
            limit,
            checkpoints,
            said: Arc::clone(&said),
        };
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || writer.run(&receiver))?;
        let recorder = Self {
            directory: session.directory.clone(),
            ids,
            stopped: HashMap::new(),
            sender,
            said: Arc::clone(&said),
            speaks,
        };
        Ok((recorder, Recording { thread, said }))
    }

    fn id(&self, task: TaskId) -> Option<String> {
        self.ids.get(usize::try_from(task.0).ok()?).cloned()
    }

    fn tell(&self, message: Message) {
        // The thread lives as long as this sender.
        let _ = self.sender.send(message);
    }

    fn say(&self, say: &mut dyn Say) {
        let lines = std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        for line in lines.into_iter().filter(|_| self.speaks) {
            say.say(format!("saferun: {line}\n").as_bytes());
        }
    }
}

impl Observer for Recorder {
    fn on(&mut self, event: &RunEvent, _: Duration, say: &mut dyn Say) {
        match event {
            RunEvent::TaskStarted { task, attempt, .. } => {
                if let Some(id) = self.id(*task) {
                    self.tell(Message::Started(id, *attempt));
                }
            }
            RunEvent::AttemptEnded {
                task,
                attempt,
                end,
                peak_bytes,
                elapsed,
                cpu,
                ..
            } => {
                let Some(id) = self.id(*task) else { return };
                self.stopped
                    .insert(*task, matches!(end, AttemptEnd::Stopped));
                let fact = Fact {
                    exit: match end {
                        AttemptEnd::Exited(status) => format!("exit status {status}"),
                        other => words::end(other),
                    },
                    succeeded: matches!(end, AttemptEnd::Exited(0)),
                    attempt: *attempt,
                    elapsed_ms: millis(*elapsed),
                    cpu_ms: millis(*cpu),
                    peak_bytes: *peak_bytes,
                    ended: Moment::now().to_string(),
                };
                if let Err(error) = fact.write(&self.directory.join(&id)) {
                    say.say(
                        format!("saferun: {id}: its end can't be written down: {error}\n")
                            .as_bytes(),
                    );
                }
                self.tell(Message::Ended(id, fact));
            }
            RunEvent::TaskConcluded {
                task,
                outcome,
                culprit,
                ..
            } => {
                let Some(id) = self.id(*task) else { return };
                let was_stopped = self.stopped.remove(task).unwrap_or(false);
                let status = match outcome {
                    Outcome::Done => Status::Done,
                    Outcome::GivenUp(_) => Status::GivenUp,
                    _ if was_stopped => Status::Interrupted,
                    Outcome::Failed => Status::Failed,
                    Outcome::Skipped(_) => Status::Skipped,
                };
                let why = match outcome {
                    Outcome::Skipped(reason) => Some(words::skip(*reason, culprit.as_deref())),
                    _ => None,
                };
                self.tell(Message::Concluded(id, status, why));
            }
            _ => {}
        }
        self.say(say);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Recording {
    /// Waits until everything is written down; answers with what is still to be said. The
    /// recorder must have been dropped.
    pub(crate) fn finish(self) -> Vec<String> {
        // A panic of the thread has been told by itself.
        let _ = self.thread.join();
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The thread's side.
struct Writer {
    session: String,
    directory: PathBuf,
    limit: Limit,
    checkpoints: Checkpoints,
    said: Arc<Mutex<Vec<String>>>,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        for message in receiver {
            let is_end = matches!(
                message,
                Message::Concluded(_, Status::Done | Status::Failed | Status::GivenUp, _)
            );
            if let Err(error) = self.write(message) {
                self.say(format!(
                    "the manifest of the session can't be written: {error}"
                ));
            }
            if is_end {
                let said = self.checkpoints.after_agent();
                said.into_iter().for_each(|line| self.say(line));
            }
        }
    }

    fn say(&self, line: String) {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    fn write(&self, message: Message) -> std::io::Result<()> {
        match message {
            Message::Started(id, attempt) => self.change(&id, |record| {
                record.status = Status::Running;
                record.attempts = attempt;
                record.started = Some(Moment::now().to_string());
                (record.exit, record.ended) = (None, None);
            }),
            Message::Ended(id, fact) => {
                let outputs = self.keep(&id)?;
                self.change(&id, |record| {
                    fact.tell(record);
                    record.outputs = outputs;
                })
            }
            Message::Concluded(id, status, why) => self.change(&id, |record| {
                record.status = status;
                if let Some(why) = why {
                    record.exit = Some(why);
                }
            }),
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut AgentRecord)) -> std::io::Result<()> {
        Manifest::update(&self.directory, |manifest| {
            if let Some(record) = manifest.agent_mut(id) {
                change(record);
            }
        })
    }

    /// Writes the digest beside what it is made of; answers with what the folder holds.
    fn keep(&self, id: &str) -> std::io::Result<Vec<OutputFile>> {
        let own = self.directory.join(id);
        let digest = folder::digest(&own, id, &self.session, self.limit)?;
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(own.join("digest.md"))?;
        file.write_all(digest.text.as_bytes())?;
        let mut outputs = Vec::new();
        for name in [folder::STDOUT, folder::STDERR] {
            if let Ok(metadata) = own.join(name).metadata() {
                let bytes = metadata.len();
                outputs.push(OutputFile {
                    path: name.to_owned(),
                    bytes,
                });
            }
        }
        outputs.extend(folder::left_files(&own));
        Ok(outputs)
    }
}

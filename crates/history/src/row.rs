//! What is kept of one finished attempt.

use serde::{Deserialize, Serialize};

use crate::predict::{Curve, Keys, Needed, Question, hash};
use crate::redact::redact;

/// Longer commands are cut: what a command is known by are its keys, not its text.
const MOST_TEXT: usize = 2048;

/// What was run, before anything is left out of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ran<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// The words of the template, if the command was made from one.
    pub template: Option<&'a [String]>,
    /// The items that were put into the template.
    pub items: &'a [String],
    /// The directory it ran in.
    pub directory: &'a str,
    /// The agent that it was run for or as.
    pub agent: Option<&'a str>,
}

impl Ran<'_> {
    /// What it is known by. Secrets are left out first, so that keys hold nothing of them.
    pub fn keys(&self) -> Keys {
        let command = redact(self.command);
        let items = redact(self.items);
        let template = self.template.map(redact);
        let bytes = |words: &[String]| {
            let parts: Vec<Vec<u8>> = words.iter().map(|word| word.clone().into_bytes()).collect();
            parts
        };
        let of = |parts: &[Vec<u8>]| hash(parts.iter().map(Vec::as_slice));
        let mut whole = bytes(&command);
        whole.push(self.directory.as_bytes().to_vec());
        let template = template.as_deref().map(bytes);
        Keys {
            command: Some(of(&whole)),
            items: template
                .as_ref()
                .filter(|_| !items.is_empty())
                .map(|template| {
                    let mut parts = template.clone();
                    parts.extend(bytes(&items));
                    of(&parts)
                }),
            template: template.as_ref().map(|template| of(template)),
            program: command.first().map(|program| {
                let name = program.rsplit('/').next().unwrap_or(program);
                hash([name.as_bytes()])
            }),
            agent: self.agent.map(|agent| hash([agent.as_bytes()])),
        }
    }
}

/// How an attempt came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It exited by itself with this status.
    Exited(i32),
    /// A signal that was not ours ended it.
    Signaled(i32),
    /// Its time was up.
    TimedOut,
    /// It failed while memory was short.
    Victim,
    /// It was ended to make room.
    Preempted,
    /// It was ended because it did not fit.
    GivenUp,
    /// It was ended with the run.
    Stopped,
}

impl End {
    /// Whether what it used is all that it would have used.
    pub fn is_whole(self) -> bool {
        matches!(self, End::Exited(_) | End::Signaled(_))
    }

    /// Whether it needed more memory than it got.
    pub fn is_shortage(self) -> bool {
        matches!(self, End::Victim | End::GivenUp)
    }
}

/// One finished attempt. Sizes are bytes; texts are shown with what looks like a secret left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// The run it belonged to.
    pub run: String,
    /// Its task within the run.
    pub task: u64,
    /// Which attempt of the task it was, from 1 on.
    pub attempt: u32,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The words of the template.
    pub template: Option<Vec<String>>,
    /// The items.
    pub items: Vec<String>,
    /// The directory.
    pub directory: String,
    /// The agent.
    pub agent: Option<String>,
    /// What it is known by.
    #[serde(with = "hex_keys")]
    pub keys: Keys,
    /// The highest use.
    pub peak_bytes: u64,
    /// The use on average over its time, where it was watched.
    pub average_bytes: Option<u64>,
    /// Its use over its life, where it was watched.
    pub curve: Option<Curve>,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// The CPU time that it took, in seconds.
    pub cpu_seconds: f64,
    /// How it ended.
    pub end: End,
    /// The containment it ran in.
    pub tier: String,
    /// The sizes of its arguments that are files, added up.
    pub input_bytes: Option<u64>,
}

impl Row {
    /// A row without figures: what was run and its keys, secrets left out, long texts cut.
    pub fn of(ran: &Ran<'_>) -> Self {
        Self {
            at_ms: 0,
            run: String::new(),
            task: 0,
            attempt: 1,
            command: short(redact(ran.command)),
            template: ran.template.map(redact).map(short),
            items: short(redact(ran.items)),
            directory: ran.directory.to_owned(),
            agent: ran.agent.map(str::to_owned),
            keys: ran.keys(),
            peak_bytes: 0,
            average_bytes: None,
            curve: None,
            seconds: 0.0,
            cpu_seconds: 0.0,
            end: End::Exited(0),
            tier: String::new(),
            input_bytes: None,
        }
    }

    /// The question that this row answers.
    pub fn question(&self) -> Question {
        Question {
            keys: self.keys,
            input_bytes: self.input_bytes,
        }
    }

    /// What it needed.
    pub fn needed(&self) -> Needed {
        Needed {
            peak_bytes: self.peak_bytes,
            seconds: self.seconds,
            curve: self.curve,
        }
    }
}

/// Words with a bounded length of text in all.
fn short(words: Vec<String>) -> Vec<String> {
    let mut left = MOST_TEXT;
    let mut out = Vec::with_capacity(words.len().min(64));
    for mut word in words {
        if left == 0 {
            out.push("…".to_owned());
            break;
        }
        if word.len() > left {
            let end = (0..=left)
                .rev()
                .find(|end| word.is_char_boundary(*end))
                .unwrap_or(0);
            word.truncate(end);
            word.push('…');
            left = 0;
        } else {
            left -= word.len();
            left = left.saturating_sub(1);
        }
        out.push(word);
    }
    out
}

/// Keys as text in base 16: as numbers they would lose bits in readers that count in floating
/// point.
mod hex_keys {
    use super::Keys;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Serialize, Deserialize, Default)]
    #[serde(default)]
    struct Texts {
        command: Option<String>,
        items: Option<String>,
        template: Option<String>,
        program: Option<String>,
        agent: Option<String>,
    }

    pub(super) fn serialize<S: Serializer>(keys: &Keys, to: S) -> Result<S::Ok, S::Error> {
        let text = |key: Option<u64>| key.map(|key| format!("{key:016x}"));
        Texts {
            command: text(keys.command),
            items: text(keys.items),
            template: text(keys.template),
            program: text(keys.program),
            agent: text(keys.agent),
        }
        .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        let texts = Texts::deserialize(from)?;
        let key = |text: Option<String>| {
            text.map(|text| u64::from_str_radix(&text, 16).map_err(D::Error::custom))
                .transpose()
        };
        Ok(Keys {
            command: key(texts.command)?,
            items: key(texts.items)?,
            template: key(texts.template)?,
            program: key(texts.program)?,
            agent: key(texts.agent)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn keys_tell_apart_what_differs_and_nothing_else() {
        let (command, template, items) = (words("/usr/bin/xz -9 a"), words("xz -9 {}"), words("a"));
        let ran = Ran {
            command: &command,
            template: Some(&template),
            items: &items,
            directory: "/tmp",
            agent: None,
        };
        let keys = ran.keys();
        let elsewhere = Ran {
            directory: "/",
            ..ran
        }
        .keys();
        assert_ne!(keys.command, elsewhere.command);
        assert_eq!(
            (keys.items, keys.template),
            (elsewhere.items, elsewhere.template)
        );
        let bare = words("xz b");
        let other = Ran {
            command: &bare,
            template: None,
            ..ran
        }
        .keys();
        assert_eq!(keys.program, other.program);
        assert_eq!(
            (other.template, other.items, other.agent),
            (None, None, None)
        );
    }

    #[test]
    fn secrets_reach_neither_text_nor_keys() {
        let (one, two) = (words("x --token abc"), words("x --token def"));
        let row = |command: &[String]| {
            Row::of(&Ran {
                command,
                ..Ran::default()
            })
        };
        assert_eq!(row(&one), row(&two));
        assert!(!serde_json::to_string(&row(&one)).unwrap().contains("abc"));
    }

    #[test]
    fn long_commands_are_cut_and_still_told_apart() {
        let long = |end: &str| vec!["x".to_owned(), "ä".repeat(5000) + end];
        let row = |command: &[String]| {
            Row::of(&Ran {
                command,
                ..Ran::default()
            })
        };
        let (one, two) = (row(&long("1")), row(&long("2")));
        assert!(one.command.join(" ").len() < MOST_TEXT + 10);
        assert_ne!(one.keys, two.keys);
    }

    #[test]
    fn a_row_survives_json() {
        let command = words("a b");
        let mut row = Row::of(&Ran {
            command: &command,
            ..Ran::default()
        });
        row.end = End::Signaled(9);
        row.curve = Some(Curve::FLAT);
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
    }
}

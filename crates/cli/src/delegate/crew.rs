//! Who works on a request, with which programs: a plan made ready to run, and checked.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use saferun_router::{Agent, Plan, Team};

use super::placeholder::{self, PROMPT, PROMPT_FILE};
use crate::args::values::{positive_duration, size};
use crate::artifacts::AgentRecord;
use crate::error::CliError;
use crate::printable::printable;

/// The longest argument that Linux takes is 128 KiB; this leaves room for digests of what came
/// before.
const MOST_REQUEST: usize = 64 * 1024;

/// One agent's part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    /// Its name, phase, and whom it follows.
    pub(crate) record: AgentRecord,
    /// What it is for.
    pub(crate) about: String,
    /// Its command, word by word, with placeholders.
    pub(crate) words: Vec<String>,
    /// Variables of its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// How many of this agent at once.
    pub(crate) at_once: NonZeroUsize,
    /// Its declared peak, in bytes.
    pub(crate) memory: Option<u64>,
    /// How long an attempt may take.
    pub(crate) timeout: Option<Duration>,
    /// How often a failed attempt is repeated.
    pub(crate) retries: u32,
    /// Whether it may be ended and run again.
    pub(crate) restartable: bool,
}

/// All of them in an order in which they can run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Crew {
    /// The members.
    pub(crate) members: Vec<Member>,
}

impl Crew {
    /// The records of a plan's agents, each after all those whose phase its own one waits for.
    pub(crate) fn records(plan: &Plan) -> Vec<AgentRecord> {
        let mut records: Vec<AgentRecord> = Vec::new();
        for phase in &plan.phases {
            let after: Vec<String> = records
                .iter()
                .filter(|record| phase.waits_for.contains(&record.phase))
                .map(|record| record.id.clone())
                .collect();
            for agent in &phase.agents {
                let id = folder_name(agent, &records);
                records.push(AgentRecord {
                    id,
                    agent: agent.clone(),
                    phase: phase.name.clone(),
                    together: phase.concurrency,
                    after: after.clone(),
                    ..AgentRecord::default()
                });
            }
        }
        records
    }

    /// The members for these records, each with what the team says of its agent.
    ///
    /// # Errors
    ///
    /// An agent has no command, one that is not there, or one that would run a request as code;
    /// or what is said of it is no size or duration.
    pub(crate) fn new(
        records: Vec<AgentRecord>,
        team: &Team,
        common: Option<&[String]>,
        request: &str,
    ) -> Result<Self, CliError> {
        let member = |record: AgentRecord| {
            let agent = team.agent(&record.agent).cloned().unwrap_or_default();
            Member::new(record, agent, common, request)
        };
        let members: Result<Vec<Member>, CliError> = records.into_iter().map(member).collect();
        Ok(Self { members: members? })
    }

    /// That each program can be run.
    ///
    /// # Errors
    ///
    /// Which can't.
    pub(crate) fn check_programs(&self) -> Result<(), CliError> {
        self.members.iter().try_for_each(Member::check_program)
    }
}

impl Member {
    fn new(
        record: AgentRecord,
        agent: Agent,
        common: Option<&[String]>,
        request: &str,
    ) -> Result<Self, CliError> {
        let name = printable(record.agent.as_ref(), 60);
        let words = match (agent.command.as_slice(), common) {
            ([], Some(common)) => common.to_vec(),
            (own, _) => own.to_vec(),
        };
        if words.is_empty() {
            return Err(CliError::usage(
                format!("nobody has said how the agent {name} is run"),
                format!(
                    "agent_command = [\"my-agent\", \"--print\", \"{PROMPT}\"] in saferun.toml, or command under [agents.{name}]; docs/agents.md has examples"
                ),
            ));
        }
        if let Some(danger) = placeholder::danger(&words) {
            return Err(CliError::usage(
                format!("the command of {name} is not safe: {danger}"),
                format!(
                    "a word of its own: [\"sh\", \"-c\", 'my-agent \"$1\"', \"sh\", \"{PROMPT}\"]"
                ),
            ));
        }
        let has = |place: &str| words.iter().any(|word| word.contains(place));
        if has(PROMPT) && request.len() > MOST_REQUEST {
            return Err(CliError::usage(
                format!(
                    "the request has {} bytes, too many for an argument of {name}",
                    request.len()
                ),
                format!("{PROMPT_FILE} in its command, in place of {PROMPT}"),
            ));
        }
        let wrong = |key: &'static str| {
            let name = name.clone();
            move |right: String| {
                CliError::usage(format!("{key} of [agents.{name}] can't be read"), right)
            }
        };
        Ok(Self {
            about: agent.about,
            env: agent.env,
            at_once: NonZeroUsize::new(agent.concurrency as usize).unwrap_or(NonZeroUsize::MIN),
            memory: agent
                .memory
                .as_deref()
                .map(size)
                .transpose()
                .map_err(wrong("memory"))?,
            timeout: (agent.timeout.as_deref())
                .map(positive_duration)
                .transpose()
                .map_err(wrong("timeout"))?,
            retries: agent.retries,
            restartable: agent.restartable,
            record,
            words,
        })
    }

    fn check_program(&self) -> Result<(), CliError> {
        let program = self.words.first().map(String::as_str).unwrap_or_default();
        let own = self.env.get("PATH").map(|path| OsStr::new(path).to_owned());
        let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let is_there = if program.contains('/') {
            is_program(Path::new(program))
        } else {
            std::env::split_paths(&path).any(|directory| is_program(&directory.join(program)))
        };
        if is_there {
            return Ok(());
        }
        let agent = printable(self.record.agent.as_ref(), 60);
        Err(CliError::usage(
            format!(
                "'{}', the program of the agent {agent}, is not there or can't be run",
                printable(program.as_ref(), 100)
            ),
            format!("install it, or name another in agent_command or under [agents.{agent}]"),
        ))
    }
}

fn is_program(file: &Path) -> bool {
    let metadata = file.metadata();
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The agent's name as a folder that nobody else has.
fn folder_name(agent: &str, others: &[AgentRecord]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut name: String = agent
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .take(80)
        .collect();
    if name.is_empty() || name.starts_with('.') {
        name.insert(0, '_');
    }
    // The session's own files are not an agent's.
    let is_ours = |name: &str| {
        ["manifest", "decisions", "knowledge", "in-use"]
            .iter()
            .any(|own| name.starts_with(own))
    };
    if is_ours(&name) {
        name.insert(0, '_');
    }
    let is_taken = |name: &str| others.iter().any(|record| record.id == name);
    let mut free = name.clone();
    let mut number = 2;
    while is_taken(&free) {
        free = format!("{name}-{number}");
        number += 1;
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_plain_and_nobody_elses() {
        let mut records: Vec<AgentRecord> = Vec::new();
        for agent in [
            "a/../b",
            "a",
            "a",
            "a",
            "",
            "..",
            "manifest.json",
            "\u{e9}t\u{e9}",
        ] {
            let id = folder_name(agent, &records);
            records.push(AgentRecord {
                id,
                ..AgentRecord::default()
            });
        }
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "a_.._b",
                "a",
                "a-2",
                "a-3",
                "_",
                "_..",
                "_manifest.json",
                "_t_"
            ]
        );
    }

    fn team(text: &str) -> Team {
        let mut team = Team::default();
        team.add_file("test", text).unwrap();
        team
    }

    fn of(text: &str, common: Option<&[String]>) -> Result<Crew, CliError> {
        let record = AgentRecord {
            id: "x".into(),
            agent: "x".into(),
            ..AgentRecord::default()
        };
        Crew::new(vec![record], &team(text), common, "do it")
    }

    #[test]
    fn what_a_team_says_of_an_agent() {
        let text = "[agents.x]\ncommand = ['sh', 'x.sh', '{prompt}']\nmemory = '250M'\ntimeout = '2m'\nconcurrency = 3\n";
        let crew = of(text, None).unwrap();
        let member = &crew.members[0];
        assert_eq!((member.memory, member.at_once.get()), (Some(250 << 20), 3));
        assert_eq!(
            (member.timeout, member.restartable),
            (Some(Duration::from_secs(120)), false)
        );
        crew.check_programs().unwrap();
        let common = ["cat".to_owned(), "{prompt_file}".to_owned()];
        assert_eq!(
            of("[agents.x]\n", Some(&common)).unwrap().members[0].words,
            common
        );
    }

    #[test]
    fn what_is_wrong_is_told_before_anything_starts() {
        let told = |text: &str| match of(text, None) {
            Ok(crew) => crew.check_programs().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(told("[agents.x]\n").contains("nobody has said how the agent x is run"));
        assert!(told("[agents.x]\ncommand = ['no-such-program-xyz']").contains("is not there"));
        assert!(told("[agents.x]\ncommand = ['/etc']").contains("can't be run"));
        assert!(told("[agents.x]\ncommand = ['sh', '-c', '{prompt}']").contains("not safe"));
        assert!(
            told("[agents.x]\ncommand = ['cat']\nmemory = 'much'").contains("memory of [agents.x]")
        );
    }
}

//! Who there is to do the work, and what chooses among them.

mod agent;
mod file;
mod map;
mod rule;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

pub use agent::Agent;
pub use map::{DelegationMap, MapError};
pub use rule::Touched;

use crate::category::Category;
use crate::text::{Kind, stem, tokens};
pub(crate) use file::PhaseEntry;
use file::{Choice, TeamFile};
use rule::{FileRule, Globs, Keywords, TouchRule};

/// The team that comes with the crate.
pub const SHIPPED: &str = include_str!("../../../../config/agents.toml");

/// Why a team can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TeamError {
    /// The text is no TOML, or has keys or types that don't belong there.
    #[error("{file}: {what}")]
    Syntax {
        /// Which file.
        file: String,
        /// The parser's complaint, with the line.
        what: String,
    },
    /// An entry means something that can't be.
    #[error("{file}: {entry}: {what}")]
    Entry {
        /// Which file.
        file: String,
        /// Which entry, by kind and name.
        entry: String,
        /// What is wrong with it.
        what: String,
    },
    /// Somebody is asked for who is nowhere described.
    #[error(
        "{entry} names the agent '{agent}', whom neither agents.toml, saferun.toml nor the delegation map names"
    )]
    UnknownAgent {
        /// Where it is asked for.
        entry: String,
        /// Its name.
        agent: String,
    },
    /// Phases wait for one another in a circle.
    #[error("the phases {0} wait for one another in a circle")]
    Cycle(String),
    /// A phase waits for one that doesn't exist.
    #[error("phase '{phase}' waits for '{missing}', which is no phase")]
    UnknownPhase {
        /// Which phase.
        phase: String,
        /// What it waits for.
        missing: String,
    },
}

/// Agents, and the rules that choose among them.
#[derive(Clone, Debug, Default)]
pub struct Team {
    agents: BTreeMap<String, Agent>,
    categories: BTreeMap<Category, Choice>,
    keywords: Vec<Keywords>,
    rules: Vec<FileRule>,
    touches: Vec<TouchRule>,
    phases: Vec<PhaseEntry>,
    gates: Vec<String>,
}

/// Who was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub primary: String,
    pub validators: Vec<String>,
    pub why: String,
}

/// A touched file that makes work dependent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependence {
    pub rule: String,
    pub why: String,
    pub path: String,
    pub category: Category,
}

impl Team {
    /// The team that comes with the crate.
    pub fn shipped() -> Result<Self, TeamError> {
        let mut team = Self::default();
        team.add_file("config/agents.toml", SHIPPED)?;
        Ok(team)
    }

    /// Adds a file of the same form. Its rules come before those that are there already.
    pub fn add_file(&mut self, name: &str, text: &str) -> Result<(), TeamError> {
        let file: TeamFile = toml::from_str(text).map_err(|error| TeamError::Syntax {
            file: name.to_owned(),
            what: error.to_string().trim_end().to_owned(),
        })?;
        for (agent, changes) in file.agents {
            self.change_agent(&agent, changes);
        }
        self.categories.extend(file.categories);
        let error = |kind: &str, entry: &str, what: String| TeamError::Entry {
            file: name.to_owned(),
            entry: format!("{kind} '{entry}'"),
            what,
        };
        let mut keywords: Vec<Keywords> = file.keywords.into_iter().map(Keywords::new).collect();
        keywords.append(&mut self.keywords);
        self.keywords = keywords;
        let mut rules = Vec::new();
        for entry in file.rule {
            let globs = Globs::new(&entry.pattern.0, &entry.exclude.0);
            let globs = globs.map_err(|what| error("rule", &entry.name, what))?;
            rules.push(FileRule { entry, globs });
        }
        rules.append(&mut self.rules);
        self.rules = rules;
        let mut touches = Vec::new();
        for entry in file.touch {
            let globs = Globs::new(&entry.pattern.0, &entry.exclude.0);
            let globs = globs.map_err(|what| error("touch", &entry.name, what))?;
            if !entry.category.is_dependent() {
                let what = format!("{} is no dependent category", entry.category);
                return Err(error("touch", &entry.name, what));
            }
            touches.push(TouchRule { entry, globs });
        }
        touches.append(&mut self.touches);
        self.touches = touches;
        self.phases.extend(file.phase);
        Ok(())
    }

    /// Takes `[agents.NAME]` of a project's settings. `name` says whose they are.
    pub fn add_agents(&mut self, name: &str, agents: &toml::Table) -> Result<(), TeamError> {
        for (agent, changes) in agents {
            let changes = changes
                .clone()
                .try_into()
                .map_err(|error: toml::de::Error| TeamError::Entry {
                    file: name.to_owned(),
                    entry: format!("agents.{agent}"),
                    what: error.to_string().trim_end().to_owned(),
                })?;
            self.change_agent(agent, changes);
        }
        Ok(())
    }

    /// Adds a delegation map. Its rules come before those that are there already.
    pub fn add_map(&mut self, map: &DelegationMap) -> Result<(), TeamError> {
        for agent in map.agents() {
            self.agents.entry(agent.to_owned()).or_default();
        }
        self.gates.extend(map.gates().map(str::to_owned));
        self.add_file("delegation-map.json", &map.to_toml_rules())
    }

    fn change_agent(&mut self, name: &str, changes: agent::Changes) {
        self.agents
            .entry(name.to_owned())
            .or_default()
            .change(changes);
    }

    /// All agents by name.
    pub fn agents(&self) -> impl Iterator<Item = (&str, &Agent)> {
        self.agents
            .iter()
            .map(|(name, agent)| (name.as_str(), agent))
    }

    /// The agent of that name.
    pub fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.get(name)
    }

    /// Checks that every agent that anything asks for exists, and that phases can be ordered.
    pub fn check(&self) -> Result<(), TeamError> {
        let rules = self.rules.iter().map(|rule| {
            let entry = &rule.entry;
            (
                format!("rule '{}'", entry.name),
                &entry.primary,
                entry.validators.as_slice(),
            )
        });
        let keywords = self.keywords.iter().map(|rule| {
            let entry = &rule.entry;
            (
                format!("keywords '{}'", entry.name),
                &entry.primary,
                entry.validators.as_slice(),
            )
        });
        let categories = self.categories.iter().map(|(category, choice)| {
            (
                format!("category '{category}'"),
                &choice.primary,
                choice.validators.as_slice(),
            )
        });
        for (entry, primary, validators) in rules.chain(keywords).chain(categories) {
            for agent in [primary].into_iter().chain(validators) {
                self.known(&entry, agent)?;
            }
        }
        for phase in &self.phases {
            for agent in &phase.agents {
                self.known(&format!("phase '{}'", phase.name), agent)?;
            }
        }
        self.ordered_phases(None).map(drop)
    }

    fn known(&self, entry: &str, agent: &str) -> Result<(), TeamError> {
        if self.agents.contains_key(agent) {
            return Ok(());
        }
        Err(TeamError::UnknownAgent {
            entry: entry.to_owned(),
            agent: agent.to_owned(),
        })
    }

    /// Who does this: files say it best, then words, then the kind of work.
    pub(crate) fn choose(&self, request: &str, category: Category, touched: &[Touched]) -> Chosen {
        let mut chosen: Option<Chosen> = None;
        for file in touched {
            let Some(rule) = self
                .rules
                .iter()
                .find(|rule| rule.globs.matches(&file.path))
            else {
                continue;
            };
            match &mut chosen {
                None => {
                    chosen = Some(Chosen {
                        primary: rule.entry.primary.clone(),
                        validators: rule.entry.validators.clone(),
                        why: format!("rule '{}' for {}", rule.entry.name, file.path),
                    });
                }
                Some(chosen) => chosen
                    .validators
                    .extend(rule.entry.validators.iter().cloned()),
            }
        }
        let mut chosen = chosen
            .or_else(|| self.choose_by_words(request, category))
            .unwrap_or_else(|| self.choose_by_category(category));
        chosen.validators.extend(self.gates.iter().cloned());
        let mut seen = BTreeSet::from([chosen.primary.clone()]);
        chosen.validators.retain(|agent| seen.insert(agent.clone()));
        chosen
    }

    fn choose_by_words(&self, request: &str, category: Category) -> Option<Chosen> {
        let words: BTreeSet<String> = tokens(request)
            .into_iter()
            .filter(|token| token.kind != Kind::Quoted)
            .map(|token| stem(&token.text.to_lowercase()).0.into_owned())
            .collect();
        let rule = self
            .keywords
            .iter()
            .find(|rule| rule.matches(&words, category))?;
        let usual = self.choose_by_category(category);
        let validators = if rule.entry.validators.is_empty() {
            usual.validators
        } else {
            rule.entry.validators.clone()
        };
        Some(Chosen {
            primary: rule.entry.primary.clone(),
            validators,
            why: format!("keywords '{}'", rule.entry.name),
        })
    }

    fn choose_by_category(&self, category: Category) -> Chosen {
        let choice = self.categories.get(&category).cloned().unwrap_or_default();
        Chosen {
            primary: choice.primary,
            validators: choice.validators,
            why: format!("category '{category}'"),
        }
    }

    /// The first touched file that makes work dependent.
    pub(crate) fn dependence(&self, touched: &[Touched]) -> Option<Dependence> {
        let by_rule = touched.iter().find_map(|file| {
            let rule = self
                .touches
                .iter()
                .find(|rule| rule.globs.matches(&file.path))?;
            Some(Dependence {
                rule: rule.entry.name.clone(),
                why: rule.entry.why.clone(),
                path: file.path.clone(),
                category: rule.entry.category,
            })
        });
        by_rule.or_else(|| {
            let renamed = touched.iter().find(|file| file.was.is_some())?;
            Some(Dependence {
                rule: String::from("rename"),
                why: String::from("a file is renamed"),
                path: renamed.path.clone(),
                category: Category::Refactor,
            })
        })
    }

    /// The phases that somebody has written down for a category, each after those that it waits
    /// for; with `None` all of them.
    pub(crate) fn ordered_phases(
        &self,
        category: Option<Category>,
    ) -> Result<Vec<&PhaseEntry>, TeamError> {
        let mut waiting: Vec<&PhaseEntry> = self
            .phases
            .iter()
            .filter(|phase| {
                category.is_none_or(|category| {
                    phase.categories.is_empty() || phase.categories.contains(&category)
                })
            })
            .collect();
        for phase in &waiting {
            let missing = phase
                .after
                .iter()
                .find(|name| !self.phases.iter().any(|known| known.name == **name));
            if let Some(missing) = missing {
                return Err(TeamError::UnknownPhase {
                    phase: phase.name.clone(),
                    missing: missing.clone(),
                });
            }
        }
        let mut ordered: Vec<&PhaseEntry> = Vec::new();
        while !waiting.is_empty() {
            let is_waited_for = |name: &String| waiting.iter().any(|phase| phase.name == *name);
            let (ready, rest): (Vec<&PhaseEntry>, Vec<&PhaseEntry>) = waiting
                .iter()
                .partition(|phase| !phase.after.iter().any(is_waited_for));
            if ready.is_empty() {
                let names: Vec<&str> = rest.iter().map(|phase| phase.name.as_str()).collect();
                return Err(TeamError::Cycle(names.join(", ")));
            }
            ordered.extend(ready);
            waiting = rest;
        }
        Ok(ordered)
    }
}

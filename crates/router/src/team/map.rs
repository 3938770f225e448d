//! `.claude/agents/delegation-map.json`, read as it is.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// Why a delegation map was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("delegation-map.json: {0}")]
pub struct MapError(String);

/// A delegation map. Keys that are unknown are kept and listed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DelegationMap {
    delegation_rules: Vec<Rule>,
    quality_gates: Map<String, Value>,
    agent_capabilities: Map<String, Value>,
    mcp_routing: std::collections::BTreeMap<String, Route>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Rule {
    #[serde(default)]
    name: String,
    pattern: Patterns,
    #[serde(default)]
    exclude: Patterns,
    primary_agent: String,
    #[serde(default)]
    secondary_agents: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Route {
    #[serde(default)]
    keywords: Vec<String>,
    agent: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Patterns {
    One(String),
    More(Vec<String>),
}

impl Default for Patterns {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl Patterns {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// What rules may hold that a plan has no use for: known, and passed over.
const PASSED_OVER: [&str; 2] = ["triggers", "context"];

impl DelegationMap {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, MapError> {
        serde_json::from_str(text).map_err(|error| MapError(error.to_string()))
    }

    /// The keys that mean nothing to us, by their paths.
    pub fn unknown_keys(&self) -> Vec<String> {
        let mut found: Vec<String> = self.rest.keys().cloned().collect();
        for rule in &self.delegation_rules {
            let unknown = rule
                .rest
                .keys()
                .filter(|key| !PASSED_OVER.contains(&key.as_str()));
            found.extend(unknown.map(|key| format!("delegation_rules['{}'].{key}", rule.name)));
        }
        for (name, route) in &self.mcp_routing {
            found.extend(
                route
                    .rest
                    .keys()
                    .map(|key| format!("mcp_routing.{name}.{key}")),
            );
        }
        found
    }

    /// Everybody whom it names.
    pub(super) fn agents(&self) -> BTreeSet<&str> {
        let rules = self.delegation_rules.iter();
        let of_rules = rules.flat_map(|rule| {
            [&rule.primary_agent]
                .into_iter()
                .chain(&rule.secondary_agents)
        });
        let of_routes = self.mcp_routing.values().map(|route| &route.agent);
        let capable = self.agent_capabilities.keys();
        let named = of_rules.chain(of_routes).chain(capable).map(String::as_str);
        named
            .chain(self.gate_agents("required"))
            .chain(self.gate_agents("optional"))
            .collect()
    }

    /// Who must look at everything.
    pub(super) fn gates(&self) -> impl Iterator<Item = &str> {
        self.gate_agents("required")
    }

    fn gate_agents<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let lists = self
            .quality_gates
            .values()
            .filter_map(move |gate| gate.get(key)?.as_array());
        lists.flatten().filter_map(Value::as_str)
    }

    /// Its rules in the form of our own files.
    pub(super) fn to_toml_rules(&self) -> String {
        let rules: Vec<toml::Value> = self
            .delegation_rules
            .iter()
            .map(|rule| {
                toml::Value::Table(toml::Table::from_iter([
                    (String::from("name"), toml::Value::from(rule.name.clone())),
                    (
                        String::from("pattern"),
                        toml::Value::from(rule.pattern.all().to_vec()),
                    ),
                    (
                        String::from("exclude"),
                        toml::Value::from(rule.exclude.all().to_vec()),
                    ),
                    (
                        String::from("primary"),
                        toml::Value::from(rule.primary_agent.clone()),
                    ),
                    (
                        String::from("validators"),
                        toml::Value::from(rule.secondary_agents.clone()),
                    ),
                ]))
            })
            .collect();
        let keywords: Vec<toml::Value> = self
            .mcp_routing
            .iter()
            .filter(|(_, route)| !route.keywords.is_empty())
            .map(|(name, route)| {
                toml::Value::Table(toml::Table::from_iter([
                    (String::from("name"), toml::Value::from(name.clone())),
                    (
                        String::from("words"),
                        toml::Value::from(route.keywords.clone()),
                    ),
                    (
                        String::from("primary"),
                        toml::Value::from(route.agent.clone()),
                    ),
                ]))
            })
            .collect();
        let mut all = toml::Table::new();
        for (key, entries) in [("rule", rules), ("keywords", keywords)] {
            if !entries.is_empty() {
                all.insert(key.to_owned(), toml::Value::Array(entries));
            }
        }
        all.to_string()
    }

    /// The whole of it in the form of our own files, ready to be kept as `.saferun/agents.toml`.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("# Taken over from .claude/agents/delegation-map.json.\n");
        for key in self.unknown_keys() {
            text.push_str(&format!("# Not taken over: {key}\n"));
        }
        for agent in self.agents() {
            let able = self.agent_capabilities.get(agent).and_then(Value::as_array);
            let able: Vec<&str> = able
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let name = toml::Value::from(agent);
            text.push_str(&format!(
                "\n[agents.{name}]\nabout = {}\n",
                toml::Value::from(able.join(", "))
            ));
        }
        let required: Vec<&str> = self.gates().collect();
        if !required.is_empty() {
            text.push_str(&format!(
                "\n# Required by a quality gate: {}. Name them among the validators below.\n",
                required.join(", ")
            ));
        }
        text.push('\n');
        text.push_str(&self.to_toml_rules());
        text
    }
}

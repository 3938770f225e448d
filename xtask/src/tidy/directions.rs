//! Which crate may depend on which, so that the picture of the house stays drawable.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::Findings;
use crate::workspace::{Metadata, Node, Package, root};

/// Each crate with those of ours that it may depend on. Tests may use the test beds beside them.
const DIRECTIONS: [(&str, &[&str]); 10] = [
    ("saferun-memory", &[]),
    ("saferun-scheduler", &[]),
    ("saferun-history", &[]),
    ("saferun-router", &[]),
    ("saferun-executor", &["saferun-memory", "saferun-scheduler"]),
    (
        "saferun-cli",
        &[
            "saferun-memory",
            "saferun-scheduler",
            "saferun-history",
            "saferun-executor",
            "saferun-router",
        ],
    ),
    ("saferun-testbed", &[]),
    ("saferun-chaos", &["saferun-testbed"]),
    ("saferun-vm-tests", &["saferun-chaos", "saferun-testbed"]),
    (
        "xtask",
        &[
            "saferun-memory",
            "saferun-scheduler",
            "saferun-history",
            "saferun-router",
            "saferun-cli",
            "saferun-testbed",
            "saferun-chaos",
        ],
    ),
];

/// Async runtimes, which a crate for reading memory has no need of.
const RUNTIMES: [&str; 3] = ["tokio", "async-std", "smol"];

pub(super) fn check(metadata: &Metadata, findings: &mut Findings) {
    let Some(resolve) = &metadata.resolve else {
        findings.error("cargo metadata", "holds no graph of dependencies");
        return;
    };
    let graph = Graph {
        names: metadata
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect(),
        nodes: resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect(),
    };
    let ours: BTreeSet<&str> = metadata.members().map(|member| &*member.name).collect();
    for member in metadata.members() {
        let direct = graph.direct(&member.id);
        match DIRECTIONS.iter().find(|(name, _)| *name == member.name) {
            None => findings.error(
                &member.name,
                "has no place in the picture yet; give it one in xtask/src/tidy/directions.rs",
            ),
            Some((_, allowed)) => {
                for upward in direct
                    .iter()
                    .filter(|name| ours.contains(*name) && !allowed.contains(name))
                {
                    findings.error(&member.name, format!("must not depend on {upward}"));
                }
            }
        }
        check_member(member, &direct, &graph, findings);
    }
}

fn check_member(
    member: &Package,
    direct: &BTreeSet<&str>,
    graph: &Graph<'_>,
    findings: &mut Findings,
) {
    if member.name == "saferun-scheduler" && !direct.is_empty() {
        findings.error(
            &member.name,
            format!("must depend on nothing, not {direct:?}"),
        );
    }
    if member.name == "saferun-memory" {
        let all = graph.transitive(&member.id);
        for runtime in RUNTIMES.iter().filter(|name| all.contains(**name)) {
            findings.error(&member.name, format!("pulls in the runtime {runtime}"));
        }
    }
    if !denies_missing_docs(member) {
        findings.error(
            &member.name,
            "denies missing docs neither in src/lib.rs nor through the workspace's lints",
        );
    }
}

/// Whether a crate denies missing docs: by an attribute, or through the workspace's lints.
fn denies_missing_docs(member: &Package) -> bool {
    let library = member.manifest_path.with_file_name("src").join("lib.rs");
    if fs::read_to_string(library).is_ok_and(|text| text.contains("#![deny(missing_docs)]")) {
        return true;
    }
    let inherits = table(&member.manifest_path)
        .and_then(|manifest| manifest.get("lints")?.get("workspace")?.as_bool());
    let workspace = table(&root().join("Cargo.toml")).and_then(|manifest| {
        let lints = manifest.get("workspace")?.get("lints")?.get("rust")?;
        Some(lints.get("missing_docs")?.as_str()? == "deny")
    });
    inherits == Some(true) && workspace == Some(true)
}

fn table(path: &std::path::Path) -> Option<toml::Table> {
    fs::read_to_string(path).ok()?.parse().ok()
}

struct Graph<'a> {
    names: BTreeMap<&'a str, &'a str>,
    nodes: BTreeMap<&'a str, &'a Node>,
}

impl<'a> Graph<'a> {
    /// The names of what a package itself needs.
    fn direct(&self, id: &str) -> BTreeSet<&'a str> {
        self.edges(id)
            .filter_map(|id| self.names.get(id).copied())
            .collect()
    }

    /// The names of all that comes with a package.
    fn transitive(&self, id: &'a str) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::from([id]);
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            next.extend(self.edges(id).filter(|found| seen.insert(found)));
        }
        seen.remove(id);
        seen.iter()
            .filter_map(|id| self.names.get(id).copied())
            .collect()
    }

    fn edges(&self, id: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let node = self.nodes.get(id).copied();
        node.into_iter()
            .flat_map(|node| &node.deps)
            .filter(|edge| edge.ships())
            .map(|edge| edge.pkg.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn findings_of(
        from: &str,
        to: &str,
        kind: Option<&str>,
    ) -> Result<Vec<String>, serde_json::Error> {
        let manifest = root().join("xtask/Cargo.toml");
        let package = |name: &str| json!({"id": name, "name": name, "manifest_path": manifest});
        let metadata: Metadata = serde_json::from_value(json!({
            "packages": [package(from), package(to)],
            "workspace_members": [from, to],
            "target_directory": "target",
            "resolve": {"nodes": [
                {"id": from, "deps": [{"pkg": to, "dep_kinds": [{"kind": kind}]}]},
                {"id": to, "deps": []},
            ]},
        }))?;
        let mut findings = Findings::default();
        check(&metadata, &mut findings);
        Ok(findings.errors)
    }

    #[test]
    fn a_crate_that_looks_upward_is_found() -> Result<(), serde_json::Error> {
        let found = findings_of("saferun-memory", "saferun-executor", None)?;
        assert_eq!(
            found,
            ["saferun-memory: must not depend on saferun-executor"]
        );
        Ok(())
    }

    #[test]
    fn tests_may_look_wherever_they_like() -> Result<(), serde_json::Error> {
        let found = findings_of("saferun-memory", "saferun-testbed", Some("dev"))?;
        assert!(found.is_empty(), "{found:?}");
        Ok(())
    }

    #[test]
    fn a_runtime_below_the_readings_is_found() -> Result<(), serde_json::Error> {
        let found = findings_of("saferun-memory", "tokio", None)?;
        assert!(
            found.iter().any(|line| line.contains("runtime tokio")),
            "{found:?}"
        );
        Ok(())
    }
}

//! The table `[artifacts]` of the settings.

use std::time::Duration;

use serde::Deserialize;
use toml::Table;

use super::digest::Limit;
use crate::args::values::{duration, size};
use crate::error::CliError;
use crate::settings::{Configuration, path};

/// How long sessions are kept where nothing is said: 30 days.
const MAX_AGE: Duration = Duration::from_secs(30 * 86_400);
/// How much they may take together: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;

/// How artifacts are kept and handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArtifactSettings {
    /// Older sessions are pruned.
    pub(crate) max_age: Duration,
    /// The oldest are pruned until the rest takes no more.
    pub(crate) max_bytes: u64,
    /// How large a digest may be.
    pub(crate) digest: Limit,
}

impl Default for ArtifactSettings {
    fn default() -> Self {
        Self {
            max_age: MAX_AGE,
            max_bytes: MAX_BYTES,
            digest: Limit::default(),
        }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    max_age: Option<String>,
    max_size: Option<String>,
    digest_percent: Option<u64>,
    digest_size: Option<String>,
}

impl ArtifactSettings {
    /// What the files of settings say; the uppermost has the last word.
    ///
    /// # Errors
    ///
    /// A key is unknown or a value wrong.
    pub(crate) fn of(configuration: &Configuration) -> Result<Self, CliError> {
        let mut settings = Self::default();
        for document in configuration.documents.iter().rev() {
            for (_, table) in document
                .tables
                .iter()
                .filter(|(name, _)| *name == "artifacts")
            {
                settings.take(table).map_err(|what| {
                    CliError::usage(
                        format!("{}: [artifacts]: {what}", path(&document.file)),
                        "max_age = \"30d\", max_size = \"1G\", digest_percent = 10, digest_size = \"4K\"",
                    )
                })?;
            }
        }
        Ok(settings)
    }

    fn take(&mut self, table: &Table) -> Result<(), String> {
        let read = Written::deserialize(table.clone()).map_err(|error| error.message().to_owned());
        let written = read?;
        let wrong = |key: &'static str| move |right: String| format!("{key} must be {right}");
        if let Some(text) = &written.max_age {
            self.max_age = duration(text).map_err(wrong("max_age"))?;
        }
        if let Some(text) = &written.max_size {
            self.max_bytes = size(text).map_err(wrong("max_size"))?;
        }
        if let Some(percent) = written.digest_percent {
            if !(1..=100).contains(&percent) {
                return Err("digest_percent must be from 1 to 100".to_owned());
            }
            self.digest.percent = percent;
        }
        if let Some(text) = &written.digest_size {
            self.digest.most_bytes = size(text).map_err(wrong("digest_size"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<ArtifactSettings, String> {
        let mut settings = ArtifactSettings::default();
        settings.take(&text.parse().unwrap()).map(|()| settings)
    }

    #[test]
    fn what_may_stand_there() {
        let all = "max_age = '2h'\nmax_size = '5M'\ndigest_percent = 20\ndigest_size = '1K'";
        let settings = of(all).unwrap();
        assert_eq!(settings.max_age, Duration::from_secs(7200));
        assert_eq!(settings.max_bytes, 5 << 20);
        assert_eq!(
            settings.digest,
            Limit {
                percent: 20,
                most_bytes: 1024
            }
        );
        assert_eq!(of("").unwrap(), ArtifactSettings::default());
        for bad in [
            "max_agee = '1d'",
            "max_age = 'x'",
            "digest_percent = 0",
            "max_size = 3",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}

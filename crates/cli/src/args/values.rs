//! The values of options, from text to meaning, once.

use std::num::NonZeroUsize;
use std::time::Duration;

use saferun_memory::Amount;
use saferun_scheduler::{FailureLimit, Halt};

/// The longest duration: a century is as good as never, and leaves room for adding to a clock.
pub(crate) const MOST_SECONDS: u64 = 100 * 366 * 86400;

/// The value of `-j`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// Memory and cores decide.
    Auto,
    /// At most so many.
    Count(NonZeroUsize),
}

/// `N` or `auto`.
pub(super) fn jobs(text: &str) -> Result<Jobs, String> {
    if text == "auto" {
        return Ok(Jobs::Auto);
    }
    text.parse()
        .map(Jobs::Count)
        .map_err(|_| String::from("a number from 1 on, or auto"))
}

/// A whole number from zero on.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| String::from("a whole number from 0 on"))
}

/// A size or a share.
pub(crate) fn amount(text: &str) -> Result<Amount, String> {
    text.parse()
        .map_err(|_| String::from("a size such as 512M or 4GiB, or a share such as 80%"))
}

/// A size.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    match saferun_memory::parse_size(text) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(String::from("a size such as 512M or 4GiB")),
    }
}

/// Whole megabytes (1024 x 1024 bytes, as the figures that they are compared with), in bytes.
pub(crate) fn megabytes(text: &str) -> Result<u64, String> {
    // Only digits: the standard parser would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse().ok().filter(|_| digits);
    count
        .and_then(bytes_of_megabytes)
        .ok_or_else(|| String::from("a whole number of MB from 1 on, such as 4096"))
}

/// So many megabytes in bytes; `None` for zero and for more than can be counted.
pub(crate) fn bytes_of_megabytes(count: u64) -> Option<u64> {
    count.checked_mul(1 << 20).filter(|bytes| *bytes > 0)
}

/// A duration: parts of a number and a unit (`500ms`, `1.5s`, `1h30m`), or seconds alone.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| String::from("a duration such as 500ms, 10s, 2m or 1h30m"))
}

/// A duration above zero.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(String::from(
            "a duration above zero (leave it out for none)",
        )),
        length => Ok(length),
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if text.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            "" if number.len() == text.len() => 1.0,
            _ => return None,
        };
        let value: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(value * seconds).ok()?)?;
        rest = after;
    }
    (total <= Duration::from_secs(MOST_SECONDS)).then_some(total)
}

/// `never`, `soon` or `now`, and from how many failures on.
pub(crate) fn halt(text: &str) -> Result<Halt, String> {
    parse_halt(text).ok_or_else(|| {
        String::from("never, soon or now; soon and now may be followed by ,fail=N or ,fail=N%")
    })
}

fn parse_halt(text: &str) -> Option<Halt> {
    let (when, limit) = match text.split_once(',') {
        Some((when, limit)) => (when, Some(limit.strip_prefix("fail=")?)),
        None => (text, None),
    };
    let limit = match limit {
        None => FailureLimit::Count(1),
        Some(limit) => match limit.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.parse().ok()?;
                if !(percent > 0.0 && percent <= 100.0) {
                    return None;
                }
                FailureLimit::Share(percent / 100.0)
            }
            None => match limit.parse().ok()? {
                0 => return None,
                count => FailureLimit::Count(count),
            },
        },
    };
    match when {
        "never" if !text.contains(',') => Some(Halt::Never),
        "soon" => Some(Halt::Soon(limit)),
        "now" => Some(Halt::Now(limit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text: &str| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(ms("500ms"), Some(500));
        assert_eq!(ms("1s"), Some(1000));
        assert_eq!(ms("2m"), Some(120_000));
        assert_eq!(ms("1h30m"), Some(5_400_000));
        assert_eq!(ms("1.5s"), Some(1500));
        assert_eq!(ms("10"), Some(10_000));
        for bad in [
            "",
            "s",
            "1x",
            "-1s",
            "1s2",
            "1e3",
            "1..2s",
            "99999999999d",
            "5 s",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
        assert!(positive_duration("0").is_err());
    }

    #[test]
    fn halts() {
        assert_eq!(parse_halt("never"), Some(Halt::Never));
        assert_eq!(parse_halt("soon"), Some(Halt::Soon(FailureLimit::Count(1))));
        assert_eq!(
            parse_halt("now,fail=3"),
            Some(Halt::Now(FailureLimit::Count(3)))
        );
        assert_eq!(
            parse_halt("soon,fail=25%"),
            Some(Halt::Soon(FailureLimit::Share(0.25)))
        );
        for bad in [
            "",
            "later",
            "now,",
            "now,fail=0",
            "now,fail=0%",
            "now,fail=NaN%",
            "never,fail=1",
        ] {
            assert_eq!(parse_halt(bad), None, "{bad}");
        }
    }

    #[test]
    fn megabytes_are_whole_and_counted_by_1024() {
        assert_eq!(megabytes("4096"), Ok(4096 << 20));
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            "1.5",
            "4G",
            "lots",
            "99999999999999999",
        ] {
            assert!(megabytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(jobs("auto"), Ok(Jobs::Auto));
        assert_eq!(jobs("3"), Ok(Jobs::Count(NonZeroUsize::new(3).unwrap())));
        for bad in ["0", "-1", "", "many", "1.5"] {
            assert!(jobs(bad).is_err());
        }
    }
}

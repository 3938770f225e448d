//! Amounts of memory: what a limit is, how people write one, how one is shown.

use std::fmt;
use std::str::FromStr;

use humansize::{BINARY, FormatSizeOptions, format_size};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// A limit as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// So many bytes.
    Bytes(u64),
    /// No limit.
    Max,
}

impl Limit {
    /// Cgroup v1 writes "no limit" as the largest count of whole pages below 2^63, which depends
    /// on the page size, and older kernels as 2^63 - 1 or 2^64 - 1. No machine is so large that
    /// a real limit comes within a few MiB of it.
    const V1_MAX: u64 = (1 << 63) - 4 * MIB;

    /// Reads what the kernel writes: digits, or `max`. `None` when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "max" => Some(Self::Max),
            // Only digits: the standard parser would take a sign.
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                let bytes = digits.parse().ok()?;
                Some(if bytes >= Self::V1_MAX {
                    Self::Max
                } else {
                    Self::Bytes(bytes)
                })
            }
            _ => None,
        }
    }

    /// The bytes, if there is a limit.
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Max => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&show(*bytes)),
            Self::Max => f.write_str("no limit"),
        }
    }
}

/// An amount of memory as people write it: `4G`, `512MiB`, `1.5g`, `80%`.
///
/// A number alone is bytes. `K`, `M`, `G`, `T` and `KiB`, `MiB`, `GiB`, `TiB` are powers of
/// 1024, as in systemd, GNU parallel, docker and the JVM. `KB`, `MB`, `GB`, `TB` are powers of
/// 1000, as in dd and sort of GNU and as the units are defined; where somebody meant 1024, the
/// amount is a little smaller than meant, which for a limit is the safe side. Case doesn't
/// matter, a blank before the unit neither, fractions are cut to whole bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// A share of a whole that is known later, from 0 to 100.
    Percent(f64),
}

impl Amount {
    /// The bytes of this amount, where shares are of `whole`. A share is cut to whole bytes; an
    /// amount in bytes is itself, whatever the whole.
    pub fn of(&self, whole: u64) -> u64 {
        match *self {
            Self::Bytes(bytes) => bytes,
            // A cast from float saturates, and NaN becomes 0.
            Self::Percent(percent) => ((whole as f64 * (percent / 100.0)) as u64).min(whole),
        }
    }
}

impl FromStr for Amount {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let Some(share) = text.trim().strip_suffix('%') else {
            return parse_size(text).map(Self::Bytes);
        };
        let share = share.trim_end();
        // Checked by hand first, since the standard parser takes `inf`, `nan` and `1e3` too.
        if split_number(share).is_none_or(|(_, _, rest)| !rest.is_empty()) {
            return Err(SizeError::new(text, SizeFlaw::NotASize));
        }
        match share.parse::<f64>() {
            Ok(percent) if percent <= 100.0 => Ok(Self::Percent(percent)),
            Ok(_) => Err(SizeError::new(text, SizeFlaw::OverAll)),
            Err(_) => Err(SizeError::new(text, SizeFlaw::NotASize)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&show(*bytes)),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// A size that can't be read: what was read, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {flaw}")]
pub struct SizeError {
    text: String,
    flaw: SizeFlaw,
}

impl SizeError {
    fn new(text: &str, flaw: SizeFlaw) -> Self {
        const SHOWN: usize = 60;
        Self {
            text: text.chars().take(SHOWN).collect(),
            flaw,
        }
    }

    /// What was read, cut to a length that fits a line.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum SizeFlaw {
    #[error(
        "is not a size; write for example 4G, 512MiB or a number of bytes (where a share makes sense, 80%)"
    )]
    NotASize,
    #[error(
        "has a unit that is not known; the units are K, M, G, T, KiB to TiB (1024) and KB to TB (1000)"
    )]
    NotAUnit,
    #[error("is more than fits into 64 bits; the most is 16777215T")]
    TooLarge,
    #[error("is more than all of it; a share goes from 0% to 100%")]
    OverAll,
}

/// Reads a size in bytes; see [`Amount`] for the units.
///
/// # Errors
/// When the text is no size, its unit is not known, or it doesn't fit into 64 bits.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let trimmed = text.trim();
    let Some((whole, fraction, rest)) = split_number(trimmed) else {
        return Err(SizeError::new(text, SizeFlaw::NotASize));
    };
    let Some(unit) = unit(rest.trim_start()) else {
        return Err(SizeError::new(text, SizeFlaw::NotAUnit));
    };
    exact(whole, fraction, unit).ok_or_else(|| SizeError::new(text, SizeFlaw::TooLarge))
}

/// `12.5 MiB` -> `("12", "5", " MiB")`. `None` when it doesn't begin with a number.
fn split_number(text: &str) -> Option<(&str, &str, &str)> {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => after.split_at(digits(after)),
        None => ("", rest),
    };
    (!whole.is_empty() || !fraction.is_empty()).then_some((whole, fraction, rest))
}

fn unit(text: &str) -> Option<u64> {
    Some(match text.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kib" => KIB,
        "m" | "mi" | "mib" => MIB,
        "g" | "gi" | "gib" => GIB,
        "t" | "ti" | "tib" => TIB,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    })
}

/// Whole numbers throughout: a float would lose bytes above 2^53.
fn exact(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    // The largest unit is below 10^13: digits beyond these can't make a byte.
    let fraction = &fraction[..fraction.len().min(18)];
    let part = match fraction.parse::<u128>() {
        Ok(digits) => digits * u128::from(unit) / 10u128.pow(fraction.len() as u32),
        Err(_) => 0,
    };
    whole
        .checked_mul(unit)?
        .checked_add(u64::try_from(part).ok()?)
}

/// Shows an amount the way people read it: `412 MiB`, `1.2 GiB`. One decimal below ten and from
/// GiB on, none else. The one place that displays bytes.
pub fn show(bytes: u64) -> String {
    let mut unit = 1u64;
    while bytes / unit >= 1024 && unit < 1 << 60 {
        unit <<= 10;
    }
    let decimals = usize::from(unit >= GIB || bytes / unit < 10);
    let format = FormatSizeOptions::from(BINARY)
        .decimal_places(decimals)
        .decimal_zeroes(0);
    format_size(bytes, format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_the_way_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1234", 1234),
            ("4G", 4 * GIB),
            ("512MiB", 512 * MIB),
            ("512 mib", 512 * MIB),
            ("1.5g", GIB + GIB / 2),
            (".5k", 512),
            ("2.k", 2048),
            (" 7b ", 7),
            ("1KB", 1000),
            ("4GB", 4_000_000_000),
            ("1Ti", TIB),
            ("0.0000000000000000000000000001T", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_named_with_a_way_out() {
        for (text, says) in [
            ("", "is not a size"),
            ("G", "is not a size"),
            ("-1", "is not a size"),
            ("+1", "is not a size"),
            ("inf", "is not a size"),
            (".", "is not a size"),
            ("4X", "unit that is not known"),
            ("1e9", "unit that is not known"),
            ("4 G B", "unit that is not known"),
            ("80%", "unit that is not known"),
            ("18446744073709551616", "more than fits"),
            ("16777216T", "more than fits"),
        ] {
            let error = parse_size(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(error.starts_with(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_share_is_of_the_whole() {
        let amount: Amount = "80%".parse().expect("a share");
        assert_eq!(amount, Amount::Percent(80.0));
        assert_eq!(amount.of(1000), 800);
        assert_eq!(Amount::Percent(100.0).of(u64::MAX), u64::MAX);
        assert_eq!(Amount::Percent(f64::NAN).of(1000), 0);
        assert_eq!("12.5 %".parse(), Ok(Amount::Percent(12.5)));
        assert_eq!("4G".parse(), Ok(Amount::Bytes(4 * GIB)));
        assert_eq!(Amount::Bytes(7).of(3), 7);
        for text in ["101%", "%", "-1%", "nan%", "inf%", "1e1%", "80%%"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_the_way_people_read_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (412 * MIB, "412 MiB"),
            (2 * MIB, "2 MiB"),
            (GIB + GIB / 5, "1.2 GiB"),
            (24 * GIB, "24 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(show(bytes), text);
        }
    }

    #[test]
    fn no_limit_is_no_number() {
        for text in [
            "max\n",
            "9223372036854771712\n",
            "9223372036854710272",
            "9223372036854775807",
            "18446744073709551615",
        ] {
            assert_eq!(Limit::parse(text), Some(Limit::Max), "{text}");
        }
        assert_eq!(Limit::parse("1048576\n"), Some(Limit::Bytes(MIB)));
        for text in ["", "-1", "+1", "maximum", "12x", "99999999999999999999"] {
            assert_eq!(Limit::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in any::<String>()) {
            let _ = parse_size(&text);
            let _ = text.parse::<Amount>();
            let _ = Limit::parse(&text);
        }

        #[test]
        fn text_near_a_size_is_read_or_refused_without_a_panic(text in "[0-9.]{0,40} ?[kmgtKMGTibB%]{0,4}") {
            let _ = parse_size(&text);
            let _ = text.parse::<Amount>();
        }

        #[test]
        fn bytes_go_round(bytes in any::<u64>()) {
            prop_assert_eq!(parse_size(&bytes.to_string()), Ok(bytes));
            prop_assert_eq!(Amount::Bytes(bytes).of(1), bytes);
        }

        #[test]
        fn units_multiply_or_overflow(number in any::<u64>(), unit in 0usize..4) {
            let (name, factor) = [("K", KIB), ("MiB", MIB), ("gb", 1_000_000_000), ("T", TIB)][unit];
            prop_assert_eq!(parse_size(&format!("{number}{name}")).ok(), number.checked_mul(factor));
        }

        #[test]
        fn what_is_shown_is_read_back_nearly(bytes in 0u64..(1 << 50)) {
            let back = parse_size(&show(bytes)).expect("what we show is a size");
            // Half of the last digit shown: 0.05 of at least 1 unit, or 0.5 of at least 10.
            prop_assert!(back.abs_diff(bytes) as f64 <= bytes as f64 * 0.0501, "{} {}", bytes, back);
        }

        #[test]
        fn a_share_is_never_more_than_the_whole(percent in 0.0f64..=100.0, whole in any::<u64>()) {
            prop_assert!(Amount::Percent(percent).of(whole) <= whole);
        }
    }
}

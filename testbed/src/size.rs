//! Sizes as people write them.

/// One mebibyte.
pub const MIB: u64 = 1 << 20;

/// Reads `30M`, `30MiB`, `1.5G`, `4096`: binary multiples, bytes without a unit.
///
/// # Errors
/// A text that is no size is named in the message.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no size; write 30M, 1.5G or a number of bytes"))?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("`{text}` has an unknown unit; use K, M or G")),
    };
    Ok((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(parse("4096"), Ok(4096));
        assert_eq!(parse("30M"), Ok(30 * MIB));
        assert_eq!(parse("1.5GiB"), Ok(1536 * MIB));
        assert!(parse("many").is_err());
        assert!(parse("3 parsecs").is_err());
    }
}

//! What is left out of a stored command: values that look like secrets.

/// What stands in place of a value that was left out.
pub const HIDDEN: &str = "***";

/// Names of options and variables whose values are secrets, wherever they stand in a name.
const SECRET_NAMES: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "access-key",
    "access_key",
    "private-key",
    "credential",
    "authorization",
];

/// How keys of well-known services begin.
const SECRET_STARTS: [&str; 13] = [
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk-",
    "AKIA",
    "ASIA",
    "eyJ",
    "AIza",
];

/// A key of a well-known service is at least so long.
const LEAST_KEY: usize = 16;

/// The words of a command without the values that look like secrets: those of options and
/// variables named like secrets (`--token X`, `--token=X`, `TOKEN=X`, `Authorization: X`),
/// passwords within addresses and after `-u USER:`, and keys of well-known services.
pub fn redact<S: AsRef<str>>(words: &[S]) -> Vec<String> {
    let mut out = Vec::with_capacity(words.len());
    let mut value_follows = false;
    let mut user_follows = false;
    for word in words {
        let word = word.as_ref();
        let is_user = std::mem::replace(&mut user_follows, word == "-u" || word == "--user");
        if is_user && let Some((user, _)) = word.split_once(':') {
            out.push(format!("{user}:{HIDDEN}"));
            continue;
        }
        if value_follows && !word.starts_with("--") {
            out.push(HIDDEN.to_owned());
            value_follows = false;
            continue;
        }
        value_follows = word.starts_with('-') && !word.contains('=') && is_secret_name(word);
        out.push(redact_word(word));
    }
    out
}

/// One word, or a whole line for the shell, without what looks like a secret.
fn redact_word(word: &str) -> String {
    // A line for the shell holds words of its own; blanks stay as they are.
    let mut out = String::with_capacity(word.len());
    let mut value_follows = false;
    // The quote that the end of a hidden value is waited for.
    let mut open_quote = None;
    for piece in word.split_inclusive(char::is_whitespace) {
        let text = piece.trim_end();
        let blanks = &piece[text.len()..];
        if let Some(quote) = open_quote {
            if text.contains(quote) {
                open_quote = None;
                out.push_str(blanks);
            }
            continue;
        }
        if text.is_empty() {
            out.push_str(piece);
            continue;
        }
        if value_follows && !text.starts_with("--") {
            // "Authorization: Bearer X" holds one more word before the secret.
            let scheme = ["bearer", "basic", "token"]
                .iter()
                .any(|s| text.eq_ignore_ascii_case(s));
            out.push_str(if scheme { text } else { HIDDEN });
            value_follows = scheme;
            open_quote = unclosed(text).filter(|_| !scheme);
        } else {
            value_follows = is_secret_name(text)
                && (text.ends_with(':') || (text.starts_with('-') && !text.contains('=')));
            out.push_str(&redact_text(text));
            open_quote = secret_value(text).and_then(unclosed);
        }
        // The blanks within a hidden value are hidden with it.
        if open_quote.is_none() {
            out.push_str(blanks);
        }
    }
    out
}

fn redact_text(text: &str) -> String {
    if let Some(value) = secret_value(text) {
        let before = text.strip_suffix(value).unwrap_or_default();
        return format!("{before}{HIDDEN}");
    }
    if let Some(hidden) = without_password(text) {
        return hidden;
    }
    let value = text.split_once('=').map_or(text, |(_, value)| value);
    let bare = value.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if bare.len() >= LEAST_KEY && SECRET_STARTS.iter().any(|start| bare.starts_with(start)) {
        return text.replace(bare, HIDDEN);
    }
    text.to_owned()
}

/// What follows a secret's name and `=` or `:`, to the end: `NAME=X`, `a=1&token=X`,
/// `{"password":"X"}`.
fn secret_value(text: &str) -> Option<&str> {
    // Changes no byte's place.
    let lower = text.to_ascii_lowercase();
    let value = |name: &&str| {
        let after = lower.find(*name)? + name.len();
        let rest = text.get(after..)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-\"'".contains(c);
        let value = rest.trim_start_matches(is_name).strip_prefix(['=', ':'])?;
        (!value.is_empty()).then_some(value)
    };
    let found = SECRET_NAMES.iter().filter_map(value);
    found.max_by_key(|value| value.len())
}

/// The quote that a value begins with and doesn't end.
fn unclosed(value: &str) -> Option<char> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    (!value.get(1..)?.contains(quote)).then_some(quote)
}

/// `scheme://user:password@host` without the password.
fn without_password(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let host_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest.get(..host_at)?.rfind('@')?;
    let (user, _) = rest.get(..at)?.split_once(':')?;
    Some(format!("{scheme}://{user}:{HIDDEN}{}", rest.get(at..)?))
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out() {
        for (words, expected) in [
            (&["curl", "--token", "abc", "x"][..], "curl --token *** x"),
            (&["curl", "--api-key=abc"], "curl --api-key=***"),
            (
                &["env", "DB_PASSWORD=hunter2", "make"],
                "env DB_PASSWORD=*** make",
            ),
            (
                &["psql", "postgres://me:pw@host/db"],
                "psql postgres://me:***@host/db",
            ),
            (
                &["git", "clone", "https://me@host/x"],
                "git clone https://me@host/x",
            ),
            (&["x", "ghp_0123456789abcdefghij"], "x ***"),
            (&["x", "key=sk-0123456789abcdefghij"], "x key=***"),
            (
                &["curl", "-H", "Authorization: Bearer abc"],
                "curl -H Authorization: Bearer ***",
            ),
            (
                &["sh", "-c", "TOKEN=abc  run --secret x y"],
                "sh -c TOKEN=***  run --secret *** y",
            ),
            (
                &["sh", "-c", "PGPASSWORD='a b  c' psql; x --token \"d e\" f"],
                "sh -c PGPASSWORD=*** psql; x --token *** f",
            ),
            (&["curl", "-u", "me:pw", "x"], "curl -u me:*** x"),
            (
                &["curl", "https://h/?a=1&access_token=pw"],
                "curl https://h/?a=1&access_token=***",
            ),
            (
                &["curl", "-d", "{\"password\":\"pw\"}"],
                "curl -d {\"password\":***",
            ),
            (
                &[
                    "env",
                    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI",
                    "AKIAIOSFODNN7EXAMPLE",
                ],
                "env AWS_SECRET_ACCESS_KEY=*** ***",
            ),
        ] {
            assert_eq!(redact(words).join(" "), expected);
        }
    }

    #[test]
    fn everything_else_stays_byte_for_byte() {
        for words in [
            &["xz", "-9", "a b.tar", ""][..],
            &["sort", "--key=1", "sk-short"],
            &["run", "--tokens-file"],
            &["x", "http://host:80/a@b"],
            &["sh", "-c", "a\n\tb  c"],
        ] {
            assert_eq!(redact(words), words);
        }
    }
}

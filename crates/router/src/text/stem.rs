//! Words without their inflection: `renames`, `renamed` and `renaming` are one word, while
//! `migration` and `migrate` stay two, because the noun is often what is written *about* and the
//! verb what shall be *done*.

use std::borrow::Cow;

/// How a word was inflected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As in a dictionary; also an imperative.
    Base,
    /// Ends in `-s`: a plural or a third person.
    S,
    /// Ends in `-ed`.
    Ed,
    /// Ends in `-ing`.
    Ing,
}

/// The stem of a lower-case word, and how the word was inflected.
pub(crate) fn stem(word: &str) -> (Cow<'_, str>, Form) {
    let word = word
        .strip_suffix("'s")
        .or_else(|| word.strip_suffix("s'"))
        .unwrap_or(word);
    if !word.is_ascii() || word.len() < 4 {
        return (Cow::Borrowed(word), Form::Base);
    }
    let (kept, form) = inflection(word);
    let kept = match kept {
        Cow::Borrowed(kept) if kept.len() > 3 => {
            Cow::Borrowed(kept.strip_suffix('e').unwrap_or(kept))
        }
        other => other,
    };
    (kept, form)
}

fn inflection(word: &str) -> (Cow<'_, str>, Form) {
    if let Some(kept) = word.strip_suffix("ies").filter(|kept| kept.len() > 1) {
        return (Cow::Owned(format!("{kept}y")), Form::S);
    }
    if let Some(kept) = word.strip_suffix("ied").filter(|kept| kept.len() > 1) {
        return (Cow::Owned(format!("{kept}y")), Form::Ed);
    }
    if let Some(kept) = word.strip_suffix("es")
        && ["ss", "x", "ch", "sh", "zz"]
            .iter()
            .any(|end| kept.ends_with(end))
    {
        return (Cow::Borrowed(kept), Form::S);
    }
    if let Some(kept) = word.strip_suffix('s')
        && !["s", "u", "i"].iter().any(|end| kept.ends_with(end))
    {
        return (Cow::Borrowed(kept), Form::S);
    }
    for (ending, form) in [("ed", Form::Ed), ("ing", Form::Ing)] {
        // A word needs a vowel beside its ending: `need` and `string` are not inflected.
        if let Some(kept) = word.strip_suffix(ending)
            && kept.len() > 2
            && !kept.ends_with('e')
            && kept.contains(['a', 'e', 'i', 'o', 'u', 'y'])
        {
            return (Cow::Borrowed(undoubled(kept)), form);
        }
    }
    (Cow::Borrowed(word), Form::Base)
}

/// `dropp` is `drop`, while `pull`, `pass` and `buzz` keep both letters.
fn undoubled(kept: &str) -> &str {
    let mut letters = kept.bytes().rev();
    match (letters.next(), letters.next()) {
        (Some(last), Some(before)) if last == before && !b"lszaeiou".contains(&last) => {
            kept.get(..kept.len() - 1).unwrap_or(kept)
        }
        _ => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| stem(word).0.into_owned()).collect()
    }

    #[test]
    fn inflections_of_a_word_share_a_stem() {
        for family in [
            &["rename", "renames", "renamed", "renaming"][..],
            &["drop", "drops", "dropped", "dropping"],
            &["pull", "pulls", "pulled", "pulling"],
            &["copy", "copies", "copied", "copying"],
            &["column", "columns", "column's"],
            &["class", "classes"],
            &["index", "indexes", "indexed"],
            &["table", "tables"],
        ] {
            let stems = stems(family);
            assert!(stems.windows(2).all(|pair| pair[0] == pair[1]), "{stems:?}");
        }
    }

    #[test]
    fn other_words_stay_apart() {
        assert_ne!(stem("migration").0, stem("migrate").0);
        assert_ne!(stem("guide").0, stem("gui").0);
        assert_eq!(stem("string"), (Cow::Borrowed("string"), Form::Base));
        assert_eq!(stem("need"), (Cow::Borrowed("need"), Form::Base));
        assert_eq!(stem("redis"), (Cow::Borrowed("redis"), Form::Base));
        assert_eq!(stem("latest").0, "latest");
        assert_eq!(stem("über"), (Cow::Borrowed("über"), Form::Base));
    }
}

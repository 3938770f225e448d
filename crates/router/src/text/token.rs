//! A request cut into words, marks and quotations.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word.
    Word,
    /// A word with a capital letter that starts no sentence.
    Capitalised,
    /// `CamelCase`, `snake_case`, `f()`: a name out of code.
    Name,
    /// `a/b.c` or `/users`.
    Path,
    /// `orders.created_at`
    Dotted,
    /// `--flag`
    Flag,
    /// `14`, `3.8`, `v2`
    Number,
    /// `->`
    Arrow,
    /// `!:` after the type of a conventional commit: it says that something breaks.
    Bang,
    /// Text in quotation marks: mentioned, not said.
    Quoted,
    /// Ends a sentence: `.`, `;`, `!` or a new line.
    Stop,
    /// `?`
    Question,
    /// `,`
    Comma,
    /// `:`
    Colon,
}

/// One token of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it was written; a quotation without its marks.
    pub text: &'a str,
}

/// Cuts a request into tokens, in one pass.
pub(crate) fn tokens(request: &str) -> Vec<Token<'_>> {
    let mut found = Vec::with_capacity(request.len() / 5 + 1);
    let mut rest = request;
    let mut starts_sentence = true;
    while let Some(first) = rest.chars().next() {
        let (token, used) = next(rest, first, starts_sentence);
        if let Some(token) = token {
            starts_sentence = matches!(
                token.kind,
                Kind::Stop | Kind::Question | Kind::Colon | Kind::Bang
            );
            found.push(token);
        }
        rest = rest.get(used.max(first.len_utf8())..).unwrap_or_default();
    }
    found
}

/// The token at the start of `rest`, if there is one, and how many bytes it takes.
fn next(rest: &str, first: char, starts_sentence: bool) -> (Option<Token<'_>>, usize) {
    let mark = |kind, length: usize| {
        let text = rest.get(..length).unwrap_or_default();
        (Some(Token { kind, text }), length)
    };
    for arrow in ["->", "=>", "→", "⇒", "-->"] {
        if rest.starts_with(arrow) {
            return mark(Kind::Arrow, arrow.len());
        }
    }
    if rest.starts_with("!:") {
        return mark(Kind::Bang, 2);
    }
    match first {
        '\n' | '.' | ';' | '!' => mark(Kind::Stop, 1),
        '?' => mark(Kind::Question, 1),
        ',' => mark(Kind::Comma, 1),
        ':' => mark(Kind::Colon, 1),
        '"' | '“' | '”' | '„' | '«' | '\'' | '‘' | '`' => quotation(rest, first),
        '-' if rest.starts_with("--") => {
            let length = 2 + name_length(rest.get(2..).unwrap_or_default());
            let text = rest.get(..length).unwrap_or_default();
            let kind = Kind::Flag;
            ((length > 2).then_some(Token { kind, text }), length)
        }
        '/' if rest.chars().nth(1).is_some_and(char::is_alphanumeric) => {
            let length = 1 + name_length(rest.get(1..).unwrap_or_default());
            mark(Kind::Path, length)
        }
        _ if is_wordlike(first) => {
            let length = name_length(rest);
            let text = rest.get(..length).unwrap_or_default();
            let kind = kind_of(text, starts_sentence);
            (Some(Token { kind, text }), length)
        }
        _ => (None, first.len_utf8()),
    }
}

/// A quotation that is closed in the same paragraph; an unclosed mark is no quotation.
fn quotation(rest: &str, open: char) -> (Option<Token<'_>>, usize) {
    let close: &[char] = match open {
        '“' | '”' | '„' => &['”', '“'],
        '«' => &['»'],
        '‘' => &['’'],
        '\'' => &['\''],
        '`' => &['`'],
        _ => &['"'],
    };
    let start = open.len_utf8();
    let inner = rest.get(start..).unwrap_or_default();
    // Bounded, so that many unclosed marks don't make the whole quadratic.
    let end = inner
        .char_indices()
        .take(LONGEST_QUOTATION)
        .take_while(|(_, letter)| *letter != '\n')
        .find(|(_, letter)| close.contains(letter));
    match end {
        Some((length, letter)) if length > 0 => {
            let text = inner.get(..length).unwrap_or_default();
            let kind = Kind::Quoted;
            (
                Some(Token { kind, text }),
                start + length + letter.len_utf8(),
            )
        }
        _ => (None, start),
    }
}

/// In characters.
const LONGEST_QUOTATION: usize = 200;

fn is_wordlike(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// How many bytes a word takes. `-`, `.`, `/` and `'` belong to it only between letters.
fn name_length(text: &str) -> usize {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let joins = matches!(letter, '-' | '.' | '/' | '\'' | '’' | '#' | '+' | '*')
            && at > 0
            && letters.peek().is_some_and(|(_, next)| is_wordlike(*next));
        let doubled = letter == ':' && text.get(at..).is_some_and(|rest| rest.starts_with("::"));
        if doubled {
            letters.next();
        } else if !is_wordlike(letter) && !joins {
            return at;
        }
    }
    text.len()
}

fn kind_of(text: &str, starts_sentence: bool) -> Kind {
    let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
    if digits.starts_with(|letter: char| letter.is_ascii_digit())
        && digits
            .chars()
            .all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | 'x' | 'X' | '-'))
    {
        return Kind::Number;
    }
    if text.contains('/') && !text.eq_ignore_ascii_case("async/await") {
        return Kind::Path;
    }
    if text.contains("::") || text.contains('_') {
        return if text.contains('.') {
            Kind::Dotted
        } else {
            Kind::Name
        };
    }
    if text.contains('.') {
        return Kind::Dotted;
    }
    let mut letters = text.chars();
    let first_is_capital = letters.next().is_some_and(char::is_uppercase);
    let capitals = letters
        .clone()
        .filter(|letter| letter.is_uppercase())
        .count();
    let smalls = letters.filter(|letter| letter.is_lowercase()).count();
    if capitals > 0 && smalls > 0 && !text.contains('-') {
        return Kind::Name;
    }
    if first_is_capital && smalls > 0 && !starts_sentence {
        return Kind::Capitalised;
    }
    Kind::Word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(request: &str) -> Vec<(Kind, &str)> {
        tokens(request)
            .into_iter()
            .map(|token| (token.kind, token.text))
            .collect()
    }

    #[test]
    fn words_names_and_marks_are_told_apart() {
        assert_eq!(
            kinds("Rename fooBar to orders.id, please: v2 -> --out!"),
            [
                (Kind::Word, "Rename"),
                (Kind::Name, "fooBar"),
                (Kind::Word, "to"),
                (Kind::Dotted, "orders.id"),
                (Kind::Comma, ","),
                (Kind::Word, "please"),
                (Kind::Colon, ":"),
                (Kind::Number, "v2"),
                (Kind::Arrow, "->"),
                (Kind::Flag, "--out"),
                (Kind::Stop, "!"),
            ]
        );
        assert_eq!(
            kinds("the Card"),
            [(Kind::Word, "the"), (Kind::Capitalised, "Card")]
        );
        assert_eq!(kinds("move-up"), [(Kind::Word, "move-up")]);
    }

    #[test]
    fn quotations_are_one_token() {
        assert_eq!(
            kinds("Show \"breaking changes\" don't 'drop it'"),
            [
                (Kind::Word, "Show"),
                (Kind::Quoted, "breaking changes"),
                (Kind::Word, "don't"),
                (Kind::Quoted, "drop it"),
            ]
        );
        assert_eq!(kinds("a \"b"), [(Kind::Word, "a"), (Kind::Word, "b")]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_tokens_that_are_part_of_it(text in "\\PC{0,200}") {
            for token in tokens(&text) {
                proptest::prop_assert!(text.contains(token.text));
            }
        }
    }
}

//! Lines below labels, and the bytes that are left for them.

/// A line that has to be cut keeps so many bytes.
pub(super) const CUT_BYTES: usize = 160;

/// A group of lines below a label. The label is left out where that makes room.
pub(super) struct Section {
    /// The label; may be empty.
    pub(super) label: String,
    /// The lines, without their ends.
    pub(super) lines: Vec<String>,
}

impl Section {
    /// One without lines.
    pub(super) fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            lines: Vec::new(),
        }
    }
}

/// Bytes that are left, line by line.
pub(super) struct Room(pub(super) u64);

impl Room {
    /// Takes the room of a line, if there is enough.
    pub(super) fn takes(&mut self, line: &str) -> bool {
        let bytes = line.len() as u64 + 1;
        let fits = bytes <= self.0;
        if fits {
            self.0 -= bytes;
        }
        fits
    }
}

/// The start of a text of at most so many bytes, with a mark where something is missing.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    const MARK: &str = "…";
    let end = most.saturating_sub(MARK.len());
    let end = (0..=end)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

//! A mistake: its id, the ways to undo it, and its explanation in the report.

/// The name of a mistake. It never changes, because scripts depend on it.
pub type Id = &'static str;

/// One mistake with a body or a secret.
pub struct Mistake {
    pub id: Id,
    /// Each way to undo the mistake gives a value that may have been there before.
    pub undo: &'static [Undo],
}

/// A way to undo a mistake. It gives nothing if the mistake cannot be there.
pub enum Undo {
    Bytes(fn(&[u8]) -> Option<Vec<u8>>),
    Text(fn(&str) -> Option<String>),
    /// The mistake was the text's encoding.
    Encode(fn(&str) -> Option<Vec<u8>>),
    /// The mistake has several possible originals.
    Many(for<'t> fn(&'t str) -> Box<dyn Iterator<Item = Vec<u8>> + 't>),
}

impl Mistake {
    /// All values that may have been there before the mistake, except the given one. The iterator makes each one on
    /// demand, because a body may have megabytes.
    pub fn undone<'g>(&self, given: &'g [u8]) -> impl Iterator<Item = Vec<u8>> + use<'g> {
        self.undo.iter().flat_map(move |undo| undo.apply(given)).filter(move |before| before != given)
    }
}

impl Undo {
    fn apply<'g>(&self, given: &'g [u8]) -> Box<dyn Iterator<Item = Vec<u8>> + 'g> {
        let text = str::from_utf8(given).ok();
        match self {
            Self::Bytes(undo) => Box::new(undo(given).into_iter()),
            Self::Text(undo) => Box::new(text.and_then(undo).map(String::into_bytes).into_iter()),
            Self::Encode(undo) => Box::new(text.and_then(undo).into_iter()),
            Self::Many(undo) => text.map_or_else(|| Box::new(std::iter::empty()) as _, undo),
        }
    }
}

/// The report's explanation of a mistake.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The secret, the body, the signature, the algorithm or the scheme.
    pub place: &'static str,
    /// What went wrong, and how to fix it.
    pub text: &'static str,
}

const EXPLANATIONS: &str = include_str!("mistakes.md");

/// Looks up the explanation in `mistakes.md`.
pub fn explain(id: &str) -> Explanation {
    let mut place = "";
    for line in EXPLANATIONS.lines() {
        if let Some(heading) = line.strip_prefix("## In the ") {
            place = heading;
        }
        if let Some((listed, text)) = line.strip_prefix("- `").and_then(|item| item.split_once("`: "))
            && listed == id
        {
            return Explanation { place, text };
        }
    }
    Explanation::default()
}

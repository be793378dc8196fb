//! JSON written again, as libraries write it: other white space, other order, other escapes, other numbers.
//!
//! It works on the text and not on values, so that whatever a way of writing does not touch stays byte for byte.

use serde::de::IgnoredAny;

/// How much larger than the original a layout may become. Deep nesting would make it quadratic.
const MOST_GROWTH: usize = 16;

/// A JSON object or array, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// None for what is no JSON object or array, or nested so deep that a parser gives up on it.
    pub fn read(text: &str) -> Option<Self> {
        let container = text.trim_start().starts_with(['{', '[']);
        (container && serde_json::from_str::<IgnoredAny>(text).is_ok()).then(|| Self(text.to_owned()))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn into_text(self) -> String {
        self.0
    }

    /// In another layout, without white space around. None when it would become far too large.
    pub fn laid_out(&self, layout: Layout) -> Option<Self> {
        let tokens = tokens(&self.0);
        let most = self.0.len().saturating_mul(MOST_GROWTH);
        let mut text = String::with_capacity(self.0.len());
        let mut depth = 0usize;
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            text.push_str(token);
            match token {
                "{" | "[" => {
                    if let Some(close) = tokens.next_if(|next| matches!(*next, "}" | "]")) {
                        text.push_str(close);
                    } else {
                        depth += 1;
                        layout.break_line(&mut text, depth);
                    }
                }
                "," => match layout.indent {
                    Some(_) => layout.break_line(&mut text, depth),
                    None => text.push_str(layout.after_comma),
                },
                ":" => text.push_str(layout.after_colon),
                _ => {}
            }
            if tokens.peek().is_some_and(|next| matches!(*next, "}" | "]")) {
                depth = depth.saturating_sub(1);
                layout.break_line(&mut text, depth);
            }
            if text.len() > most {
                return None;
            }
        }
        Some(Self(text))
    }

    /// Compact, with the keys of every object in order.
    pub fn sorted(&self) -> Option<Self> {
        let mut text = String::with_capacity(self.0.len());
        Node::read(&mut tokens(&self.0).into_iter())?.write_sorted(&mut text);
        Some(Self(text))
    }

    /// With some characters escaped, or no longer escaped.
    pub fn escaped(&self, escapes: Escapes) -> Self {
        let mut text = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some(character) = rest.chars().next() {
            let plain = rest.get(..character.len_utf8()).unwrap_or_default();
            let (source, character) = escape_at(rest).unwrap_or((plain, character));
            match escapes.of(character) {
                // A quote or a line break cannot be without its escape.
                Some(Escape::Off) if source.len() > 1 && may_be_plain(character) => text.push(character),
                Some(Escape::Slash) => text.push_str("\\/"),
                Some(Escape::Lower) => push_units(&mut text, character, |unit| format!("\\u{unit:04x}")),
                Some(Escape::Upper) => push_units(&mut text, character, |unit| format!("\\u{unit:04X}")),
                _ => text.push_str(source),
            }
            rest = rest.get(source.len()..).unwrap_or_default();
        }
        Self(text)
    }

    /// With each number rewritten, given its key and its text.
    pub fn with_numbers(&self, rewrite: impl Fn(&str, &str) -> Option<String>) -> Self {
        let mut text = String::with_capacity(self.0.len());
        let mut copied = 0;
        let mut key = "";
        for token in tokens(&self.0) {
            if token.starts_with('"') {
                key = token.trim_matches('"');
            }
            if token.starts_with(|first: char| first == '-' || first.is_ascii_digit())
                && let Some(number) = rewrite(key, token)
            {
                let start = token.as_ptr().addr() - self.0.as_ptr().addr();
                text.push_str(self.0.get(copied..start).unwrap_or_default());
                text.push_str(&number);
                copied = start + token.len();
            }
        }
        text.push_str(self.0.get(copied..).unwrap_or_default());
        Self(text)
    }
}

/// White space between the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    after_comma: &'static str,
    after_colon: &'static str,
    /// What a level is indented by; none for a single line.
    indent: Option<&'static str>,
    line_break: &'static str,
}

impl Layout {
    pub const COMPACT: Self = Self { after_comma: "", after_colon: "", indent: None, line_break: "" };
    /// Python's `json.dumps`.
    pub const SPACES: Self = Self { after_comma: " ", after_colon: " ", ..Self::COMPACT };
    pub const SPACE_AFTER_COLON: Self = Self { after_colon: " ", ..Self::COMPACT };
    pub const PRETTY_2: Self = Self::pretty("  ", "\n");
    pub const PRETTY_4: Self = Self::pretty("    ", "\n");
    pub const PRETTY_TAB: Self = Self::pretty("\t", "\n");
    /// .NET on Windows.
    pub const PRETTY_2_CRLF: Self = Self::pretty("  ", "\r\n");
    pub const PRETTY_4_CRLF: Self = Self::pretty("    ", "\r\n");

    const fn pretty(indent: &'static str, line_break: &'static str) -> Self {
        Self { after_comma: "", after_colon: " ", indent: Some(indent), line_break }
    }

    fn break_line(self, text: &mut String, depth: usize) {
        if let Some(indent) = self.indent {
            text.push_str(self.line_break);
            text.extend(std::iter::repeat_n(indent, depth));
        }
    }
}

/// What becomes of the characters that JSON may escape and need not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Escapes {
    /// Outside ASCII.
    pub unicode: Option<Escape>,
    pub slash: Option<Escape>,
    /// `<`, `>` and `&`.
    pub html: Option<Escape>,
    /// What .NET's `System.Text.Json` escapes beside those: `'`, `"`, `+` and the back quote.
    pub dotnet: Option<Escape>,
}

/// How a character is written. None leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    Off,
    /// `\/`
    Slash,
    /// `\u00e9`
    Lower,
    /// `\u00E9`
    Upper,
}

impl Escapes {
    fn of(self, character: char) -> Option<Escape> {
        match character {
            '/' => self.slash,
            '<' | '>' | '&' => self.html,
            '\'' | '+' | '`' => self.dotnet,
            _ if !character.is_ascii() => self.unicode,
            _ => None,
        }
    }
}

fn may_be_plain(character: char) -> bool {
    !character.is_control() && character != '"' && character != '\\'
}

fn push_units(text: &mut String, character: char, escape: fn(u16) -> String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        text.push_str(&escape(*unit));
    }
}

/// The escape that `text` starts with, and its character. None where there is none, or half of a surrogate pair.
fn escape_at(text: &str) -> Option<(&str, char)> {
    const UNIT: usize = "\\u0000".len();
    let unit_at = |start: usize| {
        let digits = text.get(start..start + UNIT)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit_at(0);
    if let Some(first) = first {
        let units = [Some(first), unit_at(UNIT)].into_iter().flatten();
        return match char::decode_utf16(units).next() {
            Some(Ok(character)) => Some((text.get(..UNIT * character.len_utf16())?, character)),
            // Half of a pair: as it is.
            _ => Some((text.get(..UNIT)?, '\u{0}')),
        };
    }
    let escape = text.strip_prefix('\\')?.chars().next()?;
    let character = if escape == '/' { '/' } else { '\u{0}' };
    Some((text.get(..1 + escape.len_utf8())?, character))
}

/// The tokens of valid JSON, as they are spelled, without the white space between them.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_length(rest),
            _ => rest.find([',', ':', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        tokens.push(token);
        rest = after.trim_ascii_start();
    }
    tokens
}

/// Bytes of the string at the start of `text`, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = true;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A value whose parts can change places. No deeper than [`Json::read`] lets through.
enum Node<'t> {
    Scalar(&'t str),
    Array(Vec<Node<'t>>),
    Object(Vec<(&'t str, Node<'t>)>),
}

impl<'t> Node<'t> {
    fn read(tokens: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        let first = tokens.next()?;
        Self::starting_with(first, tokens)
    }

    fn starting_with(first: &'t str, tokens: &mut dyn Iterator<Item = &'t str>) -> Option<Self> {
        match first {
            "[" => {
                let mut items = Vec::new();
                loop {
                    match tokens.next()? {
                        "]" => return Some(Self::Array(items)),
                        "," => {}
                        first => items.push(Self::starting_with(first, tokens)?),
                    }
                }
            }
            "{" => {
                let mut entries = Vec::new();
                loop {
                    match tokens.next()? {
                        "}" => return Some(Self::Object(entries)),
                        "," => {}
                        key => {
                            tokens.next().filter(|colon| *colon == ":")?;
                            let first = tokens.next()?;
                            entries.push((key, Self::starting_with(first, tokens)?));
                        }
                    }
                }
            }
            scalar => Some(Self::Scalar(scalar)),
        }
    }

    fn write_sorted(self, text: &mut String) {
        match self {
            Self::Scalar(scalar) => text.push_str(scalar),
            Self::Array(items) => {
                text.push('[');
                for (at, item) in items.into_iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    item.write_sorted(text);
                }
                text.push(']');
            }
            Self::Object(mut entries) => {
                // By the name and not by its spelling: the closing quote sorts before letters and after a space.
                entries.sort_by_key(|(key, _)| key.trim_matches('"'));
                text.push('{');
                for (at, (key, value)) in entries.into_iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    text.push_str(key);
                    text.push(':');
                    value.write_sorted(text);
                }
                text.push('}');
            }
        }
    }
}

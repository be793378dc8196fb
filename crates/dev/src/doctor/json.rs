//! Reformats JSON as libraries do: other white space, other escapes, sorted keys.
//!
//! It works on the text and not on parsed values, so that every byte that a library leaves alone stays the same. A
//! parser would lose those bytes, so this module has its own tokenizer. The tokenizer does not validate: text that is
//! not JSON becomes text that nobody signed, which matches nothing.

use std::{iter::Peekable, vec::IntoIter};

/// A layout may be at most this many times larger than the original. Without the limit, deep nesting grows
/// quadratically.
const MAX_GROWTH: usize = 16;

/// The nesting depth that `serde_json` accepts.
const MAX_DEPTH: usize = 128;

/// White space between the tokens.
#[derive(Clone, Copy)]
pub struct Layout {
    after_comma: &'static str,
    after_colon: &'static str,
    /// The indentation of one level. `None` for a single line.
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

    const ALL: [Self; 8] = [
        Self::COMPACT,
        Self::SPACES,
        Self::SPACE_AFTER_COLON,
        Self::PRETTY_2,
        Self::PRETTY_4,
        Self::PRETTY_TAB,
        Self::PRETTY_2_CRLF,
        Self::PRETTY_4_CRLF,
    ];

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

/// Writes the text in another layout, without white space around it. `None` if the result is not JSON or exceeds
/// [`MAX_GROWTH`].
pub fn laid_out(text: &str, layout: Layout) -> Option<String> {
    let mut tokens = read(text)?.into_iter().peekable();
    let mut laid_out = String::with_capacity(text.len());
    let mut depth = 0usize;
    while let Some(token) = tokens.next() {
        laid_out.push_str(token);
        match token {
            "{" | "[" => {
                if let Some(close) = tokens.next_if(|next| is_close(next)) {
                    laid_out.push_str(close);
                } else {
                    depth += 1;
                    layout.break_line(&mut laid_out, depth);
                }
            }
            "," if layout.indent.is_some() => layout.break_line(&mut laid_out, depth),
            "," => laid_out.push_str(layout.after_comma),
            ":" => laid_out.push_str(layout.after_colon),
            _ => {}
        }
        if tokens.peek().is_some_and(|next| is_close(next)) {
            depth = depth.saturating_sub(1);
            layout.break_line(&mut laid_out, depth);
        }
        if laid_out.len() > text.len().saturating_mul(MAX_GROWTH) {
            return None;
        }
    }
    Some(laid_out)
}

/// Sorts the keys of every object and keeps the layout. `None` if no library writes such a layout.
pub fn sorted(text: &str) -> Option<String> {
    let own = Layout::ALL.into_iter().find(|layout| laid_out(text, *layout).is_some_and(|same| same == text.trim()))?;
    laid_out(&sorted_value(&mut read(text)?.into_iter().peekable(), MAX_DEPTH)?, own)
}

fn sorted_value(tokens: &mut Peekable<IntoIter<&str>>, depth: usize) -> Option<String> {
    let open = tokens.next()?;
    if !matches!(open, "{" | "[") {
        return Some(open.to_owned());
    }
    let depth = depth.checked_sub(1)?;
    let mut parts: Vec<(&str, String)> = Vec::new();
    loop {
        match tokens.next_if(|next| is_close(next) || matches!(*next, ",")) {
            Some(",") => {}
            Some(close) => {
                // Sort by the name without its quotes: the closing quote would sort before letters but after a space.
                parts.sort_by_key(|(key, _)| key.trim_matches('"'));
                let parts: Vec<_> = parts.into_iter().map(|(_, part)| part).collect();
                return Some(format!("{open}{}{close}", parts.join(",")));
            }
            None if open == "{" => {
                let key = tokens.next()?;
                tokens.next_if_eq(&":")?;
                parts.push((key, format!("{key}:{}", sorted_value(tokens, depth)?)));
            }
            None => parts.push(("", sorted_value(tokens, depth)?)),
        }
    }
}

/// How a character in a string is written.
#[derive(Clone, Copy)]
pub enum Escape {
    /// Without an escape, where JSON allows that.
    Off,
    /// `\/`
    Backslash,
    /// `\u00e9`
    Lower,
    /// `\u00E9`
    Upper,
}

/// Escapes some characters of the text, or removes their escapes. Characters without an [`Escape`] stay as they are.
pub fn escaped(text: &str, escape: fn(char) -> Option<Escape>) -> Option<String> {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character| character == '\\' || escape(character).is_some()) {
        let (before, from) = rest.split_at_checked(start)?;
        escaped.push_str(before);
        let first = from.chars().next()?;
        let (source, character) = escape_at(from).unwrap_or((from.get(..first.len_utf8())?, first));
        let is_escaped = first == '\\';
        match escape(character) {
            // A quote without a backslash is a string's delimiter.
            Some(_) if character == '"' && !is_escaped => escaped.push('"'),
            Some(Escape::Off) if character == '"' => escaped.push_str("\\\""),
            Some(Escape::Off) if is_escaped && !character.is_control() && character != '\\' => escaped.push(character),
            Some(Escape::Backslash) => escaped.extend(['\\', character]),
            Some(Escape::Lower) => push_units(&mut escaped, character, |unit| format!("\\u{unit:04x}")),
            Some(Escape::Upper) => push_units(&mut escaped, character, |unit| format!("\\u{unit:04X}")),
            Some(Escape::Off) | None => escaped.push_str(source),
        }
        rest = from.get(source.len()..)?;
    }
    escaped.push_str(rest);
    Some(escaped)
}

fn push_units(text: &mut String, character: char, escape: fn(u16) -> String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        text.push_str(&escape(*unit));
    }
}

/// The escape at the start of the text, and its character. The character is NUL for half of a surrogate pair and for
/// characters that JSON always escapes.
fn escape_at(text: &str) -> Option<(&str, char)> {
    const UNIT: usize = "\\u0000".len();
    let unit_at = |start: usize| {
        let digits = text.get(start..start + UNIT)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    if let Some(first) = unit_at(0) {
        let units = [Some(first), unit_at(UNIT)].into_iter().flatten();
        return match char::decode_utf16(units).next() {
            Some(Ok(character)) => Some((text.get(..UNIT * character.len_utf16())?, character)),
            _ => Some((text.get(..UNIT)?, '\0')),
        };
    }
    let escaped = text.strip_prefix('\\')?.chars().next()?;
    let character = if matches!(escaped, '/' | '"') { escaped } else { '\0' };
    Some((text.get(..1 + escaped.len_utf8())?, character))
}

/// Splits a JSON object or array into its tokens, unchanged and without the white space between them. `None` if the
/// text is neither.
pub fn read(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.trim_ascii();
    if !rest.starts_with(['{', '[']) || !rest.ends_with(['}', ']']) {
        return None;
    }
    let mut tokens = Vec::new();
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_length(rest),
            _ => rest.find([',', ':', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(length)?;
        tokens.push(token);
        rest = after.trim_ascii_start();
    }
    Some(tokens)
}

fn is_close(token: &str) -> bool {
    matches!(token, "}" | "]")
}

/// The length in bytes of the string at the start of the text, with its quotes.
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

//! Reads JSON (RFC 8259) into a flat list of tokens. It keeps every member of an object in its order, reads strings as
//! bytes, and has no limit of depth. The lexer is `hifijson`'s, because other readers reject half surrogate pairs,
//! which a payload may contain, and control characters in strings.

use hifijson::{Read, SliceLexer, Write as _, escape::Lex as _, num::LexWrite as _, token::Lex};

/// A piece of a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub enum Token {
    /// `{` or `[`.
    Open(u8),
    /// `}` or `]`.
    Close,
    /// An object's key, unescaped.
    Key(Vec<u8>),
    /// A string, unescaped. Half a surrogate pair becomes three bytes, as in generalised UTF-8.
    Text(Vec<u8>),
    /// As written.
    Number(String),
    Bool(bool),
    Null,
}

/// The tokens of one value.
pub type Value<'t> = &'t [Token];

/// A JSON text.
pub struct Document {
    pub tokens: Vec<Token>,
    /// A string has an unescaped control character, which is not legal.
    pub has_raw_control: bool,
    /// Something follows the value.
    pub has_more: bool,
}

impl Document {
    /// Reads the value at the start of `json`. `None` if it is not legal, apart from control characters in strings.
    pub fn read(json: &[u8]) -> Option<Self> {
        let mut reader = Reader { lexer: SliceLexer::new(json), has_raw_control: false };
        let tokens = reader.value()?;
        let has_more = reader.lexer.ws_peek().is_some();
        Some(Self { tokens, has_raw_control: reader.has_raw_control, has_more })
    }

    /// Reads `json` if the whole text is one legal value.
    pub fn strict(json: &[u8]) -> Option<Self> {
        Self::read(json).filter(|document| !document.has_raw_control && !document.has_more)
    }
}

/// The members of an object. `None` for any other value.
pub fn members(value: Value<'_>) -> Option<Vec<(&[u8], Value<'_>)>> {
    let [Token::Open(b'{'), rest @ ..] = value else { return None };
    let mut found = Vec::new();
    let mut rest = rest;
    while let [Token::Key(key), after @ ..] = rest {
        let (member, next) = after.split_at(length(after));
        found.push((key.as_slice(), member));
        rest = next;
    }
    Some(found)
}

/// The value of the last member of this name, unless that is `null`.
pub fn last<'t>(members: &[(&[u8], Value<'t>)], name: &str) -> Option<Value<'t>> {
    let (_, value) = members.iter().rev().find(|(key, _)| *key == name.as_bytes())?;
    (*value != [Token::Null]).then_some(*value)
}

/// The elements of an array. `None` for any other value.
pub fn elements(value: Value<'_>) -> Option<Vec<Value<'_>>> {
    let [Token::Open(b'['), rest @ ..] = value else { return None };
    let mut found = Vec::new();
    let mut rest = rest;
    while !matches!(rest, [Token::Close] | []) {
        let (element, next) = rest.split_at(length(rest));
        found.push(element);
        rest = next;
    }
    Some(found)
}

/// The number of tokens of the value at the start.
fn length(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Open(_) => depth += 1,
            Token::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

struct Reader<'j> {
    lexer: SliceLexer<'j>,
    has_raw_control: bool,
}

impl Reader<'_> {
    /// Reads a value. It keeps its own stack, because a text may nest deeper than the call stack allows.
    fn value(&mut self) -> Option<Vec<Token>> {
        let (mut tokens, mut open) = (Vec::new(), Vec::new());
        loop {
            match self.lexer.ws_peek()? {
                bracket @ (b'{' | b'[') => {
                    self.lexer.take_next();
                    tokens.push(Token::Open(bracket));
                    open.push(bracket);
                    if self.lexer.ws_peek() != Some(closing(bracket)) {
                        if bracket == b'{' {
                            tokens.push(self.key()?);
                        }
                        continue;
                    }
                }
                b'"' => tokens.push(Token::Text(self.string()?)),
                b'-' => tokens.push(Token::Number(self.lexer.discarded().num_string("-").ok()?.0.to_owned())),
                b'0'..=b'9' => tokens.push(Token::Number(self.lexer.num_string("").ok()?.0.to_owned())),
                _ => tokens.push(self.lexer.null_or_bool()?.map_or(Token::Null, Token::Bool)),
            }
            // A value has ended, or an empty object or array comes to its end.
            loop {
                let Some(&bracket) = open.last() else { return Some(tokens) };
                self.lexer.eat_whitespace();
                let next = self.lexer.take_next()?;
                if next == closing(bracket) {
                    tokens.push(Token::Close);
                    open.pop();
                } else if next == b',' {
                    if bracket == b'{' {
                        tokens.push(self.key()?);
                    }
                    break;
                } else {
                    return None;
                }
            }
        }
    }

    fn key(&mut self) -> Option<Token> {
        self.lexer.eat_whitespace();
        let key = self.string()?;
        self.lexer.expect(Lex::ws_peek, b':')?;
        Some(Token::Key(key))
    }

    /// Reads a string. `hifijson`'s own strings allow neither half surrogate pairs nor control characters.
    fn string(&mut self) -> Option<Vec<u8>> {
        self.lexer.expect(Read::peek_next, b'"')?;
        // The UTF-16 units of consecutive escapes. Two of them may be one character.
        let (mut text, mut units) = (Vec::new(), Vec::new());
        loop {
            let mut bytes = <&[u8]>::default();
            self.lexer.write_until(&mut bytes, |byte| matches!(byte, b'"' | b'\\'));
            if !bytes.is_empty() {
                push_units(&mut text, &mut units);
                text.extend_from_slice(bytes);
                self.has_raw_control |= bytes.iter().any(|byte| *byte < b' ');
            }
            if self.lexer.take_next()? == b'"' {
                push_units(&mut text, &mut units);
                return Some(text);
            }
            match self.lexer.take_next()? {
                b'u' => units.push(self.lexer.hex().ok()?),
                other => {
                    push_units(&mut text, &mut units);
                    text.push(u8::try_from(self.lexer.escape(other).ok()?).ok()?);
                }
            }
        }
    }
}

fn closing(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

fn push_units(text: &mut Vec<u8>, units: &mut Vec<u16>) {
    for unit in char::decode_utf16(units.drain(..)) {
        match unit {
            Ok(character) => text.extend(character.to_string().bytes()),
            Err(half) => {
                let [high, low] = half.unpaired_surrogate().to_be_bytes();
                text.extend([0xED, 0x80 | (high & 0x0F) << 2 | low >> 6, 0x80 | low & 0x3F]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_text_is_read() {
        let document = Document::strict(br#" {"a":[1,-0.5e+3,"\u00e9\ud83d\ude00\ud83d"],"a":{},"b":[]} "#).unwrap();
        let members = members(&document.tokens).unwrap();
        assert_eq!(members.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [b"a", b"a", b"b"]);
        let text = ["é😀".as_bytes(), b"\xED\xA0\xBD"].concat();
        let expected: [&[Token]; 3] =
            [&[Token::Number("1".into())], &[Token::Number("-0.5e+3".into())], &[Token::Text(text)]];
        assert_eq!(elements(members[0].1).unwrap(), expected);
        assert_eq!(last(&members, "b").and_then(elements).map(|elements| elements.len()), Some(0));
    }

    #[test]
    fn text_that_is_not_json_is_rejected() {
        let bad: [&[u8]; 14] = [
            b"",
            b"{",
            b"[1,]",
            b"{\"a\":1,}",
            b"{\"a\"}",
            b"[1}",
            b"01",
            b"1.",
            b"+1",
            b"nul",
            b"\"\\x\"",
            b"\"\\u+123\"",
            b"\"\n\"",
            b"1 2",
        ];
        for json in bad {
            assert!(Document::strict(json).is_none(), "{}", json.escape_ascii());
        }
    }
}

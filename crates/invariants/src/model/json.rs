//! JSON as RFC 8259 has it, read into a flat list of tokens: every member of an object is there, in its order, strings
//! are bytes, and no depth is too deep.

/// A piece of a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub enum Token {
    /// `{` or `[`.
    Open(u8),
    /// `}` or `]`.
    Close,
    /// An object's key, unescaped.
    Key(Vec<u8>),
    /// A string, unescaped. Half of a surrogate pair is its three bytes in generalised UTF-8.
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
    /// A string has a control character as it is, which is not legal.
    pub has_raw_control: bool,
    /// Something follows the value.
    pub has_more: bool,
}

impl Document {
    /// The value at the start of `json`. None where there is none, but for control characters in strings.
    pub fn read(json: &[u8]) -> Option<Self> {
        let mut scanner = Scanner { rest: json, has_raw_control: false };
        let tokens = scanner.value()?;
        scanner.skip_space();
        Some(Self { tokens, has_raw_control: scanner.has_raw_control, has_more: !scanner.rest.is_empty() })
    }

    /// The value that `json` is, from the first to the last byte and to the letter.
    pub fn strict(json: &[u8]) -> Option<Self> {
        Self::read(json).filter(|document| !document.has_raw_control && !document.has_more)
    }
}

/// An object's members; none for any other value.
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

/// An array's elements; none for any other value.
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

/// How many tokens the value at the start has.
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

struct Scanner<'j> {
    rest: &'j [u8],
    has_raw_control: bool,
}

impl Scanner<'_> {
    fn value(&mut self) -> Option<Vec<Token>> {
        let (mut tokens, mut open) = (Vec::new(), Vec::new());
        loop {
            self.skip_space();
            match self.next()? {
                bracket @ (b'{' | b'[') => {
                    tokens.push(Token::Open(bracket));
                    open.push(bracket);
                    self.skip_space();
                    if self.rest.first() != Some(&closing(bracket)) {
                        if bracket == b'{' {
                            tokens.push(self.key()?);
                        }
                        continue;
                    }
                }
                b'"' => tokens.push(Token::Text(self.string()?)),
                b't' => tokens.push(self.word(b"rue", Token::Bool(true))?),
                b'f' => tokens.push(self.word(b"alse", Token::Bool(false))?),
                b'n' => tokens.push(self.word(b"ull", Token::Null)?),
                first @ (b'-' | b'0'..=b'9') => tokens.push(self.number(first)?),
                _ => return None,
            }
            // A value has ended, or an empty object or array is about to.
            loop {
                let Some(&bracket) = open.last() else { return Some(tokens) };
                self.skip_space();
                let next = self.next()?;
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

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn word(&mut self, rest_of_it: &[u8], token: Token) -> Option<Token> {
        self.rest = self.rest.strip_prefix(rest_of_it)?;
        Some(token)
    }

    fn key(&mut self) -> Option<Token> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(b"\"")?;
        let key = self.string()?;
        self.skip_space();
        self.rest = self.rest.strip_prefix(b":")?;
        Some(Token::Key(key))
    }

    fn number(&mut self, first: u8) -> Option<Token> {
        let mut number = String::from(char::from(first));
        let first = if first == b'-' { self.digit(&mut number)? } else { first };
        if first != b'0' {
            self.digits(&mut number);
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            number.push('.');
            self.digit(&mut number)?;
            self.digits(&mut number);
        }
        if let [e @ (b'e' | b'E'), rest @ ..] = self.rest {
            self.rest = rest;
            number.push(char::from(*e));
            if let [sign @ (b'+' | b'-'), rest @ ..] = self.rest {
                self.rest = rest;
                number.push(char::from(*sign));
            }
            self.digit(&mut number)?;
            self.digits(&mut number);
        }
        Some(Token::Number(number))
    }

    fn digit(&mut self, number: &mut String) -> Option<u8> {
        let digit = self.next().filter(u8::is_ascii_digit)?;
        number.push(char::from(digit));
        Some(digit)
    }

    fn digits(&mut self, number: &mut String) {
        while self.rest.first().is_some_and(u8::is_ascii_digit) {
            self.digit(number);
        }
    }

    /// What is left of a string after its opening quotation mark.
    fn string(&mut self) -> Option<Vec<u8>> {
        // UTF-16 units that escapes stand for; a pair of them may be one character.
        let (mut text, mut units) = (Vec::new(), Vec::new());
        loop {
            let byte = self.next()?;
            let escaped = if byte == b'\\' { Some(self.next()?) } else { None };
            if escaped == Some(b'u') {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
                units.push(u16::from_str_radix(digits, 16).ok()?);
                continue;
            }
            push_units(&mut text, &mut units);
            text.push(match (escaped, byte) {
                (None, b'"') => return Some(text),
                (None, _) => {
                    self.has_raw_control |= byte < b' ';
                    byte
                }
                (Some(same @ (b'"' | b'\\' | b'/')), _) => same,
                (Some(b'b'), _) => 0x08,
                (Some(b'f'), _) => 0x0C,
                (Some(b'n'), _) => b'\n',
                (Some(b'r'), _) => b'\r',
                (Some(b't'), _) => b'\t',
                _ => return None,
            });
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
    fn a_text_is_read_to_the_letter() {
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
    fn what_is_no_json_is_none() {
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

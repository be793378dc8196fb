//! The characters that a message may contain.

/// The first character that SQS rejects in a body or a String value, if there is one. Allowed: #x9 #xA #xD #x20-#xD7FF
/// #xE000-#xFFFD #x10000-#x10FFFF (SQS API reference, SendMessage).
pub(super) fn forbidden_character(text: &str) -> Option<char> {
    text.chars().find(|&c| {
        !matches!(
            c,
            '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..
        )
    })
}

/// SQS's error message for such a character. `place` is where it was found.
pub(super) fn complaint(forbidden: char, place: &str) -> String {
    format!(
        "Invalid binary character '#x{:X}' was found in the {place}, the set of allowed characters \
         is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF].",
        u32::from(forbidden)
    )
}

#[cfg(test)]
mod tests {
    use super::forbidden_character;

    #[test]
    fn the_edges_of_every_allowed_range_are_allowed() {
        let edges = "\t\n\r \u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{10FFFF}";
        assert_eq!(forbidden_character(edges), None);
    }

    #[test]
    fn characters_just_outside_the_ranges_are_rejected() {
        for c in ['\0', '\u{8}', '\u{B}', '\u{C}', '\u{E}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
            assert_eq!(forbidden_character(&format!("a{c}b")), Some(c));
        }
    }
}

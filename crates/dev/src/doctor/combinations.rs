//! The combinations of mistakes that happen in practice.
//!
//! All pairs of the 85 single mistakes would give thousands of bodies, nearly all of them nonsense. So the search tries
//! only the combinations in this list. Mistakes with the signature need no entry, because the search compares every tag
//! with every candidate for the signature.

/// Lists of ids, with spaces between the ids. The search undoes one mistake of each list, in all combinations. It goes
/// from left to right, so the change that happened last comes first. Bodies come before secrets and algorithms, so that
/// the search makes each body only once.
pub type Combination = &'static [&'static str];

/// The likeliest come first. A complete search computes 400 to 1,200 tags for the samples in `events/`, and 1,800 for
/// JSON with many numbers. For a large body it stops earlier, at a limit in bytes.
pub const COMBINATIONS: &[Combination] = &[
    // The line break that an editor or `echo` adds is the most common mistake, so it is also combined with rare ones.
    // It comes before the layouts, because they drop a line break at the end too.
    &["body-trailing-newline", ESCAPES],
    &["body-trailing-newline", ENCODINGS],
    // A JSON library changes several things at once. Python and PHP change the layout and the escapes. .NET and Go
    // escape more than others. A pretty-printer undoes escapes. Python comes first, because its defaults change both.
    &["json-spaces json-compact json-pretty-2 json-pretty-4", "json-escaped-unicode json-unescaped-unicode"],
    &[LAYOUTS, ESCAPES],
    &["json-escaped-unicode", "json-escaped-slashes"],
    &["json-unescaped-unicode", "json-unescaped-slashes"],
    &["json-pretty-4", "json-escaped-unicode", "json-escaped-slashes"],
    // `print`, `jq` and `python -m json.tool` end their output with a line break. An editor may add only the line
    // break.
    &[LAYOUTS, "body-newline-missing"],
    &[LAYOUTS, "json-escaped-unicode", "body-newline-missing"],
    &[ESCAPES, "body-newline-missing"],
    // A parser that knows only `double` loses zeros, and the serialiser then changes the layout or the escapes too.
    &[NUMBERS, LAYOUTS],
    &[NUMBERS, ESCAPES],
    &[NUMBERS, LAYOUTS, "json-escaped-unicode json-unescaped-unicode"],
    &[NUMBERS, "body-trailing-newline body-newline-missing"],
    // Python's `sort_keys`, `jq -S` and Go's maps sort the keys.
    &[LAYOUTS, "json-sorted-keys"],
    &["json-sorted-keys", ESCAPES],
    &[LAYOUTS, "json-sorted-keys", "json-escaped-unicode body-newline-missing"],
    &["json-numbers-shortened", "json-sorted-keys"],
    &["json-numbers-shortened", "json-sorted-keys", "json-escaped-html"],
    // A proxy compresses the body. Lambda receives binary bodies as base64. A tool saves them with headers, in an
    // envelope or with a line break.
    &["body-base64 body-hex body-http-message body-gateway-event body-trailing-newline", "body-gzip"],
    &["body-http-message body-gateway-event", "body-base64", "body-gzip"],
    // The body is wrapped, and the content inside has a mistake of its own.
    &[WRAPPERS, WRAPPED],
    // Windows: PowerShell's `>` writes UTF-16 with CRLF and a line break at the end, and editors add a byte-order mark.
    &["body-utf16 body-byte-order-mark", "body-crlf", "body-trailing-newline"],
    &["body-crlf", "body-trailing-newline"],
    // The secret and the body come from different people, so both can be wrong. This tries the most common mistakes of
    // each.
    &[COMMON_BODIES, COMMON_SECRETS],
    // A Python script reads the secret from a file and dumps the JSON.
    &["json-spaces", "json-escaped-unicode", COMMON_SECRETS],
    // The code is copied from another provider's example, with its algorithm and its handling of the body or the
    // secret.
    &[COMMON_BODIES, ALGORITHMS_WITH_KEY],
    &[COMMON_BODIES, "sha256-without-key sha1-without-key sha512-without-key"],
    &[COMMON_SECRETS, ALGORITHMS_WITH_KEY],
];

const LAYOUTS: &str = "json-compact json-spaces json-pretty-2 json-pretty-4 json-pretty-tab";

const ESCAPES: &str = "json-escaped-unicode json-unescaped-unicode json-escaped-slashes json-unescaped-slashes \
    json-escaped-html json-escaped-dotnet json-unescaped";

const ENCODINGS: &str = "body-latin1 body-windows-1252 body-double-utf8 body-hex body-url-encoded \
    body-latin1-signed body-windows-1252-signed body-utf16-signed body-double-utf8-signed body-decoded-twice \
    body-json-string-signed ascii-one-mark ascii-mark-per-byte ascii-dropped pay-ascii";

const NUMBERS: &str = "json-numbers-lengthened json-numbers-shortened";

const WRAPPERS: &str = "body-gzip body-base64 body-http-message body-gateway-event body-sqs-message \
    body-json-string body-byte-order-mark body-utf16";

const WRAPPED: &str = "body-trailing-newline body-crlf body-byte-order-mark body-json-string body-base64 \
    json-compact json-unescaped-unicode json-unescaped json-numbers-lengthened";

const COMMON_BODIES: &str = "body-trailing-newline body-newline-missing body-byte-order-mark body-crlf body-gzip \
    body-base64 body-decoded-twice body-utf16 body-http-message body-gateway-event body-json-string \
    body-json-string-signed json-compact json-spaces json-pretty-2 json-pretty-4 json-escaped-unicode \
    json-unescaped-unicode json-numbers-shortened json-numbers-lengthened";

const COMMON_SECRETS: &str = "other-secret secret-newline-signed secret-quotes secret-quotes-signed \
    secret-escaped-newline secret-byte-order-mark secret-byte-order-mark-signed secret-assignment secret-json \
    secret-base64-decoded secret-base64-encoded secret-hex-decoded secret-utf16 secret-url-encoded secret-is-sample \
    secret-empty-signed";

const ALGORITHMS_WITH_KEY: &str = "swapped hmac-sha1 hmac-sha512 sha256-key-before-body sha256-key-after-body";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{algorithm::ALGORITHMS, bodies::BODIES, mistake::explain, secrets::SECRETS};

    fn is_body(id: &str) -> bool {
        BODIES.iter().any(|mistake| mistake.id == id)
    }

    fn is_key_or_algorithm(id: &str) -> bool {
        let is_algorithm = ALGORITHMS.iter().any(|(algorithm, _)| *algorithm == id);
        is_algorithm || SECRETS.iter().any(|mistake| mistake.id == id) || id == "other-secret"
    }

    #[test]
    fn combinations_consist_of_single_mistakes_and_list_bodies_first() {
        for combination in COMBINATIONS {
            assert!(combination.len() > 1, "{combination:?}");
            let unknown = |id: &&str| !is_body(id) && !is_key_or_algorithm(id);
            assert_eq!(combination.iter().flat_map(|list| list.split(' ')).find(unknown), None);
            let bodies = combination.iter().take_while(|list| list.split(' ').all(is_body));
            let others = combination.iter().rev().take_while(|list| list.split(' ').all(is_key_or_algorithm));
            assert_eq!(bodies.count() + others.count(), combination.len(), "{combination:?}");
        }
    }

    #[test]
    fn each_mistake_has_exactly_one_explanation_and_each_explanation_has_a_mistake() {
        let places = BODIES.iter().map(|mistake| (mistake.id, "body"));
        let places = places.chain(SECRETS.iter().map(|mistake| (mistake.id, "secret")));
        let places = places.chain(ALGORITHMS.iter().map(|(id, _)| (*id, "algorithm")));
        for (id, place) in places.chain([("other-secret", "scheme")]) {
            assert_eq!(explain(id).place, place, "{id}");
        }
        let explanations = include_str!("mistakes.md");
        let explained: Vec<_> =
            explanations.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("`: ")).collect();
        for (id, text) in &explained {
            let named_in = |source: &str| source.contains(&format!("\"{id}\""));
            let is_known = named_in(include_str!("signatures.rs")) || named_in(include_str!("search.rs"));
            assert!(is_known || is_body(id) || is_key_or_algorithm(id), "{id}");
            assert_eq!(explained.iter().filter(|(other, _)| other == id).count(), 1, "{id}");
            assert!(text.ends_with('.'), "{id}");
        }
    }
}

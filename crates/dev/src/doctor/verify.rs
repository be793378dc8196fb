//! `cargo dev verify`: says whether a signature matches, and if not, why.

use std::path::PathBuf;

use flinks_webhooks::auth::Scheme;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    EncodingName, SchemeName, key_of, read_body,
    report::Report,
    search::{Input, Outcome},
    sign::Header,
    signatures::{self, Candidate, Spelling},
};
use crate::{failure::Failure, output::Output, secret, secret::SecretArguments};

/// Check a signature, and find out why it does not match.
///
/// If the signature matches, the command prints which encoding was signed and exits with 0. The encoding is raw (the
/// body's own bytes), ascii (a question mark for each UTF-16 unit outside ASCII) or pay (X-Webhook-Signature).
///
/// If the signature does not match, the command tries the mistakes that people and relays make: line breaks, quotes and
/// byte-order marks in the secret or the body, JSON that was parsed and serialised again, rewritten numbers, gzip,
/// other encodings, base64 and hex mixed up, and the wrong scheme, secret or algorithm. It also tries the combinations
/// of them that happen in practice. It prints the mistakes it finds and how to fix them, and exits with 1.
///
/// A large body takes a while. Lines on standard error show what the command is trying.
///
/// The command never prints the secret. It prints the correct signature only with --show-expected.
#[derive(clap::Args)]
pub struct VerifyArguments {
    /// The body's file, or - for standard input. Every byte counts, including a line break at the end.
    file: String,
    /// The header's value, with or without sha256= before it.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    signature: String,
    /// The scheme of the header that the signature came in. Default: guessed from the signature and the body.
    #[arg(long, value_enum)]
    scheme: Option<SchemeName>,
    #[command(flatten)]
    secret: SecretArguments,
    /// The other scheme's secret, to find out whether the two are mixed up. Default: that scheme's environment
    /// variable.
    #[arg(long, value_name = "FILE")]
    other_secret_file: Option<PathBuf>,
    /// Also print the correct signature. Anybody who has it can send this body as Flinks.
    #[arg(long)]
    show_expected: bool,
}

/// Prints the diagnosis.
///
/// # Errors
/// Exit code 1 if the signature does not match, 2 if the body or a secret cannot be read.
pub async fn run(arguments: &VerifyArguments, output: &Output) -> Result<(), Failure> {
    let body = read_body(&arguments.file)?;
    let candidates = signatures::candidates(&arguments.signature);
    let (scheme, secret) = arguments.scheme_and_secret(&candidates, &body).await?;
    let key = key_of(&secret)?;
    let other_secret = arguments.other_secret(scheme)?;
    let other_key = other_secret.as_ref().and_then(|secret| key_of(secret).ok()).filter(|other| *other != key);
    let (key, other_key) = (key.as_slice(), other_key.as_ref().map(|key| key.as_slice()));

    let input = Input { scheme, key, other_key, body: &body, candidates: &candidates };
    let outcome = match other_key.filter(|_| arguments.scheme.is_none()) {
        Some(other_key) => search_both(&input, other_key),
        None => input.search(),
    };
    let report = Report {
        outcome,
        scheme,
        impossible: signatures::impossible(&arguments.signature, &candidates),
        body_is_empty: body.is_empty(),
        prefix_missing: candidates
            .first()
            .is_some_and(|candidate| candidate.spelling == Spelling::Hex { prefixed: false }),
        other_secret_known: other_key.is_some(),
        expected: if arguments.show_expected { expected(&body, key, scheme)? } else { Vec::new() },
    };
    report.print(output);
    report.verdict()
}

impl VerifyArguments {
    async fn scheme_and_secret(
        &self,
        candidates: &[Candidate],
        body: &[u8],
    ) -> Result<(Scheme, Zeroizing<Vec<u8>>), Failure> {
        if let Some(named) = self.scheme {
            return Ok((named.into(), self.secret.required(named.into()).await?));
        }
        let guessed = guess(candidates, body);
        for scheme in [guessed, other(guessed)] {
            if let Some(secret) = self.secret.given(scheme).await? {
                return Ok((scheme, secret));
            }
        }
        Ok((guessed, self.secret.required(guessed).await?))
    }

    fn other_secret(&self, scheme: Scheme) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let Some(file) = &self.other_secret_file else {
            return Ok(secret::in_environment(other(scheme)));
        };
        std::fs::read(file)
            .map(|secret| Some(Zeroizing::new(secret)))
            .map_err(|error| Failure::usage(format!("cannot read the secret from {}: {error}", file.display())))
    }
}

/// Searches in both schemes. The user did not name one, so a signature that matches in the other scheme is correct.
fn search_both(input: &Input<'_>, other_key: &[u8]) -> Outcome {
    let swapped = Input { scheme: other(input.scheme), key: other_key, other_key: None, ..*input };
    match swapped.without_mistakes() {
        Some(outcome) => outcome,
        None => input.search(),
    }
}

fn other(scheme: Scheme) -> Scheme {
    match scheme {
        Scheme::Aggregation => Scheme::Pay,
        Scheme::Pay => Scheme::Aggregation,
    }
}

/// Guesses the scheme from `sha256=`, then from the body's members, then from base64 or hex.
fn guess(candidates: &[Candidate], body: &[u8]) -> Scheme {
    let spelling = candidates.first().map(|candidate| candidate.spelling);
    if spelling == Some(Spelling::Hex { prefixed: true }) {
        return Scheme::Pay;
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let has = |field: &str| body.get(field).is_some();
    if has("ResponseType") || has("DocumentAnalysis") {
        Scheme::Aggregation
    } else if (has("sessionId") && has("status")) || matches!(spelling, Some(Spelling::Hex { .. })) {
        Scheme::Pay
    } else {
        Scheme::Aggregation
    }
}

/// The correct headers.
fn expected(body: &[u8], key: &[u8], scheme: Scheme) -> Result<Vec<Header>, Failure> {
    let has_ascii_encoding = scheme == Scheme::Aggregation && !body.is_ascii() && str::from_utf8(body).is_ok();
    let encodings = [EncodingName::Raw].into_iter().chain(has_ascii_encoding.then_some(EncodingName::Ascii));
    encodings.map(|encoding| Header::sign(body, key, scheme, encoding)).collect()
}

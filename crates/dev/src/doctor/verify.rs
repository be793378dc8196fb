//! `cargo dev verify`: says whether a signature matches, and if not, why.

use std::path::PathBuf;

use flinks_webhooks::auth::Scheme;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    FormName, SchemeName, key_of, read_body,
    report::Report,
    search::{Outcome, Question},
    sign::Header,
    signatures::{self, Reading, Spelling},
};
use crate::{failure::Failure, output::Output, secret, secret::SecretArguments};

/// Check a signature, and find out why it does not match.
///
/// If it matches, prints which encoding was signed and exits with 0: raw (the body's own bytes), ascii (a question mark
/// for each UTF-16 unit outside ASCII) or pay (X-Webhook-Signature). If not, tries the mistakes that people and relays
/// make: line breaks, quotes and byte-order marks in the secret or the body, JSON that was parsed and written again,
/// rewritten numbers, gzip, other encodings, base64 and hex mixed up, the wrong scheme, secret or algorithm, and the
/// combinations of them that really happen. Prints the mistakes it finds and how to fix them, and exits with 1.
///
/// A large body takes a while: every now and then a line on standard error says what is being tried.
///
/// Prints neither the secret nor, without --show-expected, the right signature.
#[derive(clap::Args)]
pub struct VerifyArguments {
    /// The body's file, or - for standard input. Every byte counts, a line break at the end too.
    file: String,
    /// The header's value, with or without sha256= before it.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    signature: String,
    /// Which header it came in. Default: guessed from the signature and the body.
    #[arg(long, value_enum)]
    scheme: Option<SchemeName>,
    #[command(flatten)]
    secret: SecretArguments,
    /// The other scheme's secret, to find out whether the two are mixed up. Default: that scheme's environment variable.
    #[arg(long, value_name = "FILE")]
    other_secret_file: Option<PathBuf>,
    /// Print the right signature too. Anybody who has it can send this body as Flinks.
    #[arg(long)]
    show_expected: bool,
}

/// Prints the diagnosis.
///
/// # Errors
/// Exit code 1 when the signature does not match, 2 when the body or a secret cannot be read.
pub async fn run(arguments: &VerifyArguments, output: &Output) -> Result<(), Failure> {
    let body = read_body(&arguments.file)?;
    let readings = signatures::readings(&arguments.signature);
    let (scheme, secret) = arguments.scheme_and_secret(&readings, &body).await?;
    let key = key_of(&secret)?;
    let other_secret = arguments.other_secret(scheme)?;
    let other_key = other_secret.as_ref().and_then(|secret| key_of(secret).ok()).filter(|other| *other != key);
    let (key, other_key) = (key.as_slice(), other_key.as_ref().map(|key| key.as_slice()));

    let question = Question { scheme, key, other_key, body: &body, readings: &readings };
    let outcome = match other_key.filter(|_| arguments.scheme.is_none()) {
        Some(other_key) => search_both(&question, other_key),
        None => question.search(),
    };
    let report = Report {
        outcome,
        scheme,
        impossible: signatures::impossible(&arguments.signature, &readings),
        body_is_empty: body.is_empty(),
        prefix_missing: readings.first().is_some_and(|reading| reading.spelling == Spelling::Hex { prefixed: false }),
        other_secret_known: other_key.is_some(),
        expected: if arguments.show_expected { expected(&body, key, scheme)? } else { Vec::new() },
    };
    report.print(output);
    report.verdict()
}

impl VerifyArguments {
    async fn scheme_and_secret(
        &self,
        readings: &[Reading],
        body: &[u8],
    ) -> Result<(Scheme, Zeroizing<Vec<u8>>), Failure> {
        if let Some(named) = self.scheme {
            return Ok((named.into(), self.secret.required(named.into()).await?));
        }
        let guessed = guess(readings, body);
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

/// The user did not name the header, so a signature that is right for the other one is right.
fn search_both(question: &Question<'_>, other_key: &[u8]) -> Outcome {
    let swapped = Question { scheme: other(question.scheme), key: other_key, other_key: None, ..*question };
    match swapped.without_mistakes() {
        Some(outcome) => outcome,
        None => question.search(),
    }
}

fn other(scheme: Scheme) -> Scheme {
    match scheme {
        Scheme::Aggregation => Scheme::Pay,
        Scheme::Pay => Scheme::Aggregation,
    }
}

/// Guesses the scheme from `sha256=`, then from the body's members, then from base64 or hex.
fn guess(readings: &[Reading], body: &[u8]) -> Scheme {
    let spelling = readings.first().map(|reading| reading.spelling);
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

/// The headers that would be right.
fn expected(body: &[u8], key: &[u8], scheme: Scheme) -> Result<Vec<Header>, Failure> {
    let has_ascii_form = scheme == Scheme::Aggregation && !body.is_ascii() && str::from_utf8(body).is_ok();
    let forms = [FormName::Raw].into_iter().chain(has_ascii_form.then_some(FormName::Ascii));
    forms.map(|form| Header::of(body, key, scheme, form)).collect()
}

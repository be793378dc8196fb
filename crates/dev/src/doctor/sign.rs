//! `cargo dev sign`: prints the signature header for a body.

use flinks_webhooks::auth::Scheme;
use serde_json::json;

use super::{EncodingName, SchemeName, key_of, read_body};
use crate::{failure::Failure, output::Output, secret::SecretArguments, sign};

/// Print the header that Flinks would send with a body.
///
/// Pass the line to curl unchanged: `curl -H "$(cargo dev sign FILE)" --data-binary @FILE URL`.
#[derive(clap::Args)]
pub struct SignArguments {
    /// The body's file, or - for standard input. Every byte counts, including a line break at the end.
    file: String,
    /// Which of Flinks' two schemes to use. Each has its own header.
    #[arg(long, value_enum, default_value = "aggregation")]
    scheme: SchemeName,
    /// Which encoding of the body to sign. Only the aggregation scheme allows ascii.
    #[arg(long = "form", value_enum, default_value = "raw")]
    encoding: EncodingName,
    #[command(flatten)]
    secret: SecretArguments,
}

/// Prints the header line.
///
/// # Errors
/// If the body or the secret cannot be read, or the scheme does not allow this encoding.
pub async fn run(arguments: &SignArguments, output: &Output) -> Result<(), Failure> {
    let scheme = arguments.scheme.into();
    let body = read_body(&arguments.file)?;
    let secret = arguments.secret.required(scheme).await?;
    let header = Header::sign(&body, &key_of(&secret)?, scheme, arguments.encoding)?;
    output.line(format_args!("{}: {}", header.name, header.value));
    output.json(&json!({
        "header": header.name,
        "value": header.value,
        "scheme": scheme,
        "form": header.form,
    }));
    Ok(())
}

/// A header that carries a signature.
pub struct Header {
    pub name: &'static str,
    pub value: String,
    /// `raw`, `ascii` or `pay`.
    pub form: &'static str,
}

impl Header {
    /// Signs a body.
    ///
    /// # Errors
    /// If there is no ASCII encoding: in the Pay scheme, or for a body that is not UTF-8.
    pub fn sign(body: &[u8], key: &[u8], scheme: Scheme, encoding: EncodingName) -> Result<Self, Failure> {
        match (scheme, encoding) {
            (Scheme::Aggregation, EncodingName::Raw) => {
                Ok(Self { name: "flinks-authenticity-key", value: sign::aggregation(body, key), form: "raw" })
            }
            (Scheme::Aggregation, EncodingName::Ascii) => {
                let text = str::from_utf8(body).map_err(|_| {
                    Failure::usage("the body is not UTF-8, so it has no ASCII encoding: leave out --form")
                })?;
                Ok(Self { name: "flinks-authenticity-key", value: sign::ascii(text, key), form: "ascii" })
            }
            (Scheme::Pay, EncodingName::Raw) => {
                Ok(Self { name: "X-Webhook-Signature", value: sign::pay(body, key), form: "pay" })
            }
            (Scheme::Pay, EncodingName::Ascii) => {
                Err(Failure::usage("the Pay scheme has no ASCII encoding: leave out --form"))
            }
        }
    }
}

//! The plan of a run: the arguments, checked and completed.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use flinks_webhooks::auth::Scheme;
use hyper::{Uri, header::HeaderValue, http::uri};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::arguments::SendArguments;
use crate::{
    doctor::{EncodingName, key_of, sign::Header},
    failure::Failure,
    payload::{self, PayloadKind},
    secret,
};

/// Everything that a run needs.
pub struct Plan {
    pub to: Uri,
    pub count: u64,
    /// First attempts a second. `None` means no limit.
    pub rate: Option<f64>,
    pub concurrency: usize,
    pub retries: Retries,
    payloads: Payloads,
    signer: Signer,
}

impl Plan {
    /// # Errors
    /// If the arguments contradict each other or the kind, or a secret is missing.
    pub async fn from_arguments(arguments: SendArguments) -> Result<Self, Failure> {
        let kind = arguments.kind;
        let to = url(&arguments.to)?;
        let scheme = arguments.scheme.map_or_else(|| kind.scheme(), Scheme::from);
        if scheme == Scheme::Pay && arguments.encoding == EncodingName::Ascii {
            return Err(Failure::usage("only the aggregation scheme allows --form ascii: add --scheme aggregation"));
        }
        let payloads = Payloads::from_arguments(&arguments)?;
        let (secret, sample) = match arguments.secret.given(scheme).await? {
            Some(secret) => (secret, false),
            None if is_loopback(&to) => (Zeroizing::new(secret::sample(scheme).as_bytes().to_vec()), true),
            None => (arguments.secret.required(scheme).await?, false),
        };
        let retries =
            if arguments.retry { Retries::as_flinks_does(kind, arguments.clock_speed) } else { Retries::none() };
        Ok(Self {
            signer: Signer {
                scheme,
                encoding: arguments.encoding,
                tamper: arguments.tamper,
                key: key_of(&secret)?,
                sample,
            },
            to,
            count: arguments.count,
            rate: arguments.rate,
            concurrency: arguments.concurrency.into(),
            retries,
            payloads,
        })
    }

    /// The payload of a callback and the header that signs it. They are the same at each call.
    pub fn callback(&self, index: u64) -> (String, &'static str, HeaderValue) {
        let payload = self.payloads.generate(index);
        let (header, signature) = self.signer.sign(&payload);
        (payload, header, signature)
    }

    pub fn tampered(&self) -> bool {
        self.signer.tamper
    }

    /// Says what the run is about to do, for a person.
    pub fn announcement(&self) -> String {
        let Self { count, to, payloads: Payloads { kind, seed, .. }, .. } = self;
        let callbacks = if *count == 1 { "callback" } else { "callbacks" };
        let secret = if self.signer.sample { "; signed with the sample secret, which is fake" } else { "" };
        format!("{count} {} {callbacks} to {to}, --seed {seed}{secret}", kind.label())
    }

    /// The plan, for a script.
    pub fn json(&self) -> Value {
        json!({
            "kind": self.payloads.kind.label(),
            "to": self.to.to_string(),
            "seed": self.payloads.seed,
            "scheme": self.signer.scheme,
            "form": match self.signer.encoding { EncodingName::Raw => "raw", EncodingName::Ascii => "ascii" },
            "tampered": self.signer.tamper,
            "sampleSecret": self.signer.sample,
        })
    }
}

/// How many attempts a callback has, and the pause between them.
#[derive(Clone, Copy)]
pub struct Retries {
    pub attempts: u32,
    pub pause: Duration,
}

impl Retries {
    /// Ten attempts, 30 minutes apart. Flinks sends the status of an EFT session only once.
    fn as_flinks_does(kind: PayloadKind, clock_speed: NonZeroU32) -> Self {
        const ATTEMPTS: u32 = 10;
        const PAUSE: Duration = Duration::from_secs(30 * 60);
        let attempts = if kind == PayloadKind::Pay { 1 } else { ATTEMPTS };
        Self { attempts, pause: PAUSE / clock_speed.get() }
    }

    fn none() -> Self {
        Self { attempts: 1, pause: Duration::ZERO }
    }
}

struct Payloads {
    kind: PayloadKind,
    options: payload::Options,
    seed: u64,
}

impl Payloads {
    fn from_arguments(arguments: &SendArguments) -> Result<Self, Failure> {
        let SendArguments { kind, size, tag, login_id, .. } = arguments;
        let label = kind.label();
        if size.is_some() && !kind.grows() {
            return Err(Failure::usage(format!(
                "--size needs a payload with a list: kyc, accounts-detail, upload-fraud or unknown, not {label}"
            )));
        }
        if (tag.is_some() || login_id.is_some()) && !kind.names_a_login() {
            return Err(Failure::usage(format!(
                "{label} has neither a LoginId nor a Tag: leave out --login-id and --tag"
            )));
        }
        let payloads = Self {
            kind: *kind,
            options: payload::Options { size: *size, tag: tag.clone(), login_id: login_id.clone() },
            // 32 bits are short enough to type.
            seed: arguments.seed.unwrap_or_else(|| rand::random::<u32>().into()),
        };
        match (size, payloads.generate(0).len()) {
            (Some(size), smallest) if smallest > *size => Err(Failure::usage(format!(
                "--size is too small: with these options the smallest {label} payload has {smallest} bytes"
            ))),
            _ => Ok(payloads),
        }
    }

    fn generate(&self, index: u64) -> String {
        payload::generate(self.kind, &self.options, &mut payload::generator(self.seed, index))
    }
}

struct Signer {
    scheme: Scheme,
    encoding: EncodingName,
    tamper: bool,
    key: Zeroizing<Vec<u8>>,
    /// Whether the key is the sample secret, which is fake.
    sample: bool,
}

impl Signer {
    /// The header's name and value. Signing cannot fail, because the plan has checked the encoding and a payload is
    /// UTF-8.
    fn sign(&self, payload: &str) -> (&'static str, HeaderValue) {
        /// A forgery signs this body instead of the payload. No payload is equal to it.
        const OTHER_BODY: &str = "{}";
        let signed = if self.tamper { OTHER_BODY } else { payload };
        let header = Header::sign(signed.as_bytes(), &self.key, self.scheme, self.encoding);
        let (name, value) = header.map_or(("", String::new()), |header| (header.name, header.value));
        // Base64 and hex digits are legal in a header.
        (name, HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("")))
    }
}

fn url(argument: &str) -> Result<Uri, Failure> {
    let url: Option<Uri> = argument.parse().ok();
    url.filter(|url| {
        url.host().is_some() && [Some(&uri::Scheme::HTTP), Some(&uri::Scheme::HTTPS)].contains(&url.scheme())
    })
    .ok_or_else(|| Failure::usage(format!("--to {argument}: not a URL that starts with http:// or https://")))
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

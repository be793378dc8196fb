//! Looks for the mistake with which a signature matches: none, one, then two at once.

use std::{
    collections::{BTreeSet, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use flinks_webhooks::auth::{Scheme, SignatureForm};

use super::{
    algorithm::{self, Algorithm},
    bodies, charset,
    mistake::{Mistake, Mistakes},
    secrets,
    signatures::{Reading, Spelling},
};

/// What there is to search in.
pub struct Question<'q> {
    pub scheme: Scheme,
    /// The secret of `scheme`, without a line break at its end.
    pub key: &'q [u8],
    /// The other scheme's, where it is known.
    pub other_key: Option<&'q [u8]>,
    pub body: &'q [u8],
    pub readings: &'q [Reading],
}

/// With what the signature matches.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub scheme: Scheme,
    pub form: SignatureForm,
    /// None when the signature is as it should be.
    pub mistakes: Mistakes,
}

/// What came of a search.
pub struct Outcome {
    pub finding: Option<Finding>,
    /// Names of the mistakes that were tried; none when the first look was enough.
    pub tried: BTreeSet<&'static str>,
    /// How many tags were computed.
    pub combinations: usize,
    /// Whether the body is so large that the rarer combinations were left out.
    pub cut_short: bool,
}

/// Bytes that are hashed before combinations of mistakes are left out: some seconds. Single ones are always tried.
const MOST_BYTES: usize = 50_000_000;

/// What an HMAC costs beside its message, in bytes.
const OVERHEAD_BYTES: usize = 256;

impl Question<'_> {
    /// The outcome when nothing is wrong; none when something is.
    pub fn at_first_sight(&self) -> Option<Outcome> {
        let mut search = Search::of(self);
        let finding = search.attempt(self.key, self.body, &algorithm::FLINKS, &[]);
        finding.filter(|finding| finding.mistakes.is_empty()).map(|finding| search.end(Some(finding)))
    }

    /// Looks for the mistake.
    pub fn search(&self) -> Outcome {
        let mut search = Search::of(self);
        let finding = search.run();
        search.end(finding)
    }
}

struct Search<'q> {
    question: &'q Question<'q>,
    tried: BTreeSet<&'static str>,
    combinations: usize,
    bytes: usize,
    cut_short: bool,
}

/// A key with what is wrong about it.
type Key<'k> = (&'k [u8], &'k [&'static Mistake]);

impl<'q> Search<'q> {
    fn of(question: &'q Question<'q>) -> Self {
        Self { question, tried: BTreeSet::new(), combinations: 0, bytes: 0, cut_short: false }
    }

    fn end(self, finding: Option<Finding>) -> Outcome {
        let Self { tried, combinations, cut_short, .. } = self;
        Outcome { finding, tried, combinations, cut_short }
    }

    fn run(&mut self) -> Option<Finding> {
        let question = self.question;
        let plain = self.attempt(question.key, question.body, &algorithm::FLINKS, &[]);
        if plain.is_some() {
            return plain;
        }
        let variants = secrets::candidates(question.key);
        let others: Vec<Key<'_>> = question
            .other_key
            .map(|key| (key, &[&OTHER_SECRET][..]))
            .into_iter()
            .chain(variants.iter().map(|variant| (variant.key.as_slice(), &variant.mistakes[..])))
            .collect();

        // One mistake.
        for (key, mistakes) in &others {
            if let found @ Some(_) = self.attempt(key, question.body, &algorithm::FLINKS, mistakes) {
                return found;
            }
        }
        for algorithm in algorithm::OTHERS {
            if let found @ Some(_) = self.attempt(question.key, question.body, algorithm, &[]) {
                return found;
            }
        }
        let bodies = bodies::candidates(question.body);
        let own: [Key<'_>; 1] = [(question.key, &[])];
        let found = self.with_each_body(&bodies, &own, &[algorithm::FLINKS]);
        if found.is_some() {
            return found;
        }

        // Two.
        for algorithm in algorithm::OTHERS.iter().filter(|algorithm| algorithm.keyed) {
            for (key, mistakes) in &others {
                if self.is_spent() {
                    return None;
                }
                if let found @ Some(_) = self.attempt(key, question.body, algorithm, mistakes) {
                    return found;
                }
            }
        }
        let few = bodies.partition_point(|candidate| candidate.mistakes.len() <= FEW_MISTAKES);
        let few = bodies.get(..few).unwrap_or_default();
        self.with_each_body(few, &others, &[algorithm::FLINKS])
            .or_else(|| self.with_each_body(few, &own, algorithm::OTHERS))
    }

    fn with_each_body(
        &mut self,
        candidates: &[bodies::Candidate<'_>],
        keys: &[Key<'_>],
        algorithms: &[Algorithm],
    ) -> Option<Finding> {
        let mut seen = HashSet::from([fingerprint(self.question.body)]);
        let is_single = keys.iter().all(|(_, mistakes)| mistakes.is_empty())
            && algorithms.iter().all(|algorithm| algorithm.mistake.is_none());
        for candidate in candidates {
            let is_combination = candidate.mistakes.len() + usize::from(!is_single) > 1;
            if is_combination && self.is_spent() {
                return None;
            }
            let for_pay_alone = candidate.mistakes.iter().any(|mistake| mistake.id == "pay-ascii");
            if for_pay_alone && self.question.scheme != Scheme::Pay {
                continue;
            }
            self.note(&candidate.mistakes);
            let Some(body) = candidate.body().filter(|body| seen.insert(fingerprint(body))) else { continue };
            for algorithm in algorithms {
                for (key, mistakes) in keys {
                    let mistakes = [*mistakes, &candidate.mistakes].concat();
                    if let found @ Some(_) = self.attempt(key, &body, algorithm, &mistakes) {
                        return found;
                    }
                }
            }
        }
        None
    }

    /// Computes the tags of one body with one key, and compares.
    fn attempt(
        &mut self,
        key: &[u8],
        body: &[u8],
        algorithm: &Algorithm,
        mistakes: &[&'static Mistake],
    ) -> Option<Finding> {
        self.note(mistakes);
        self.note(algorithm.mistake.as_slice());
        let scheme = self.question.scheme;
        if let found @ Some(_) = self.compare(key, body, algorithm, mistakes, SignatureForm::Raw) {
            return found;
        }
        if scheme == Scheme::Aggregation && !body.is_ascii() {
            let reading = str::from_utf8(body).ok().map(charset::to_ascii)?;
            return self.compare(key, &reading, algorithm, mistakes, SignatureForm::Ascii);
        }
        None
    }

    fn compare(
        &mut self,
        key: &[u8],
        body: &[u8],
        algorithm: &Algorithm,
        mistakes: &[&'static Mistake],
        form: SignatureForm,
    ) -> Option<Finding> {
        self.combinations += 1;
        self.bytes = self.bytes.saturating_add(body.len() + OVERHEAD_BYTES);
        let tag = (algorithm.tag)(key, body);
        let (reading, spelled) = self
            .question
            .readings
            .iter()
            .find_map(|reading| reading.is_of(&tag).map(|mistakes| (reading, mistakes)))?;
        let scheme = self.question.scheme;
        let together: Mistakes = mistakes.iter().copied().chain(algorithm.mistake).chain(spelled).collect();
        Some(finding(scheme, form, reading.spelling, together))
    }

    fn note(&mut self, mistakes: &[&'static Mistake]) {
        self.tried.extend(mistakes.iter().map(|mistake| mistake.id));
    }

    fn is_spent(&mut self) -> bool {
        self.cut_short = self.bytes > MOST_BYTES;
        self.cut_short
    }
}

/// Combined with a mistake in the secret are bodies with at most so many.
const FEW_MISTAKES: usize = 2;

fn fingerprint(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

/// Adds what the spelling says about the scheme.
fn finding(scheme: Scheme, form: SignatureForm, spelling: Spelling, mut mistakes: Mistakes) -> Finding {
    let form = if scheme == Scheme::Pay { SignatureForm::Pay } else { form };
    let foreign = match (scheme, spelling) {
        (Scheme::Aggregation, Spelling::Base64) | (Scheme::Pay, Spelling::Hex { .. }) => None,
        (Scheme::Aggregation, Spelling::Hex { prefixed: false }) => Some(&HEX_FOR_BASE64),
        (Scheme::Aggregation, Spelling::Hex { prefixed: true }) => Some(&PAY_FOR_AGGREGATION),
        (Scheme::Pay, Spelling::Base64) => Some(&BASE64_FOR_HEX),
    };
    let others_secret = mistakes.iter().position(|mistake| *mistake == &OTHER_SECRET);
    match (foreign, others_secret) {
        // The other secret and the other way of writing: it is simply the other scheme's signature.
        (Some(_), Some(at)) => {
            let (mistake, scheme) = match scheme {
                Scheme::Aggregation => (&PAY_FOR_AGGREGATION, Scheme::Pay),
                Scheme::Pay => (&AGGREGATION_FOR_PAY, Scheme::Aggregation),
            };
            mistakes.remove(at);
            mistakes.push(mistake);
            let form = if scheme == Scheme::Pay { SignatureForm::Pay } else { SignatureForm::Raw };
            Finding { scheme, form, mistakes }
        }
        (Some(mistake), None) => {
            mistakes.push(mistake);
            Finding { scheme, form, mistakes }
        }
        (None, _) => Finding { scheme, form, mistakes },
    }
}

const OTHER_SECRET: Mistake = Mistake::scheme(
    "other-secret",
    "It was signed with the other scheme's secret. Flinks Pay has a secret of its own: the two must not be mixed up.",
);
const HEX_FOR_BASE64: Mistake = Mistake::signature(
    "hex-for-base64",
    "The signature is in hex, and flinks-authenticity-key has base64. Encode the HMAC's 32 bytes as base64. (If it came in X-Webhook-Signature, say --scheme pay.)",
);
const BASE64_FOR_HEX: Mistake = Mistake::signature(
    "base64-for-hex",
    "The signature is in base64, and X-Webhook-Signature has sha256= and hex digits. Encode the HMAC's 32 bytes as hex. (If it came in flinks-authenticity-key, say --scheme aggregation.)",
);
const PAY_FOR_AGGREGATION: Mistake = Mistake::scheme(
    "wrong-scheme",
    "It is written as Flinks Pay's X-Webhook-Signature: sha256= and hex digits. flinks-authenticity-key has base64 alone. Check it with --scheme pay and that scheme's secret.",
);
const AGGREGATION_FOR_PAY: Mistake = Mistake::scheme(
    "wrong-scheme",
    "It is an aggregation signature, as in flinks-authenticity-key: base64, made with that scheme's secret. Check it with --scheme aggregation.",
);

//! Searches for the mistakes that explain a signature: none, then a single one, then the combinations that happen in
//! practice.

use std::{collections::BTreeSet, time::Instant};

use flinks_webhooks::auth::{Scheme, SignatureForm};
use zeroize::Zeroizing;

use super::{
    algorithm::{self, ALGORITHMS, Tag},
    bodies::{BODIES, NUMBERS_UNDER_ONE_NAME, NUMBERS_UNDER_OTHER_NAMES},
    charset,
    combinations::COMBINATIONS,
    mistake::{Id, Mistake},
    progress::Progress,
    secrets::SECRETS,
    signatures::{Candidate, Spelling},
};

/// What the search works on.
pub struct Input<'q> {
    pub scheme: Scheme,
    /// The secret of `scheme`, without white space around it.
    pub key: &'q [u8],
    /// The secret of the other scheme, if the user gave it.
    pub other_key: Option<&'q [u8]>,
    pub body: &'q [u8],
    /// The tags that the given signature may stand for.
    pub candidates: &'q [Candidate],
}

/// The explanation for a signature.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub scheme: Scheme,
    pub form: SignatureForm,
    /// Empty if the signature is correct.
    pub mistakes: Vec<Id>,
}

/// The result of a search.
pub struct Outcome {
    pub finding: Option<Finding>,
    /// The mistakes that the search tried.
    pub tried: BTreeSet<Id>,
    /// How many tags the search computed.
    pub combinations: usize,
    /// Whether the search left out combinations because the body is large.
    pub cut_short: bool,
}

/// The combinations hash at most this many bytes, which takes a few seconds. The search always tries all single
/// mistakes: about 130 tags, and up to 8 for each name that holds numbers.
const MAX_BYTES: usize = 50_000_000;

/// What an HMAC costs in addition to its message, in bytes.
const OVERHEAD_BYTES: usize = 256;

impl Input<'_> {
    /// The outcome if there is no mistake. `None` if there is one.
    pub fn without_mistakes(&self) -> Option<Outcome> {
        let mut search = Search::new(self);
        let finding = search.attempt(search.as_given()).filter(|finding| finding.mistakes.is_empty())?;
        Some(search.end(Some(finding)))
    }

    /// Searches for the mistakes.
    pub fn search(&self) -> Outcome {
        let mut search = Search::new(self);
        let finding = search.run();
        search.end(finding)
    }
}

struct Search<'q> {
    input: &'q Input<'q>,
    tried: BTreeSet<Id>,
    combinations: usize,
    /// Bytes that the search may still hash. `None` means no limit.
    bytes_left: Option<usize>,
    progress: Progress,
}

/// What to compute a tag from, and the mistakes that were undone to get there.
#[derive(Clone, Copy)]
struct Case<'c> {
    key: &'c [u8],
    body: &'c [u8],
    tag: Tag,
    mistakes: &'c [Id],
}

impl<'q> Search<'q> {
    fn new(input: &'q Input<'q>) -> Self {
        let progress = Progress::new(Instant::now());
        Self { input, tried: BTreeSet::new(), combinations: 0, bytes_left: None, progress }
    }

    fn end(self, finding: Option<Finding>) -> Outcome {
        let cut_short = finding.is_none() && self.is_spent();
        Outcome { finding, tried: self.tried, combinations: self.combinations, cut_short }
    }

    fn as_given(&self) -> Case<'q> {
        Case { key: self.input.key, body: self.input.body, tag: algorithm::FLINKS, mistakes: &[] }
    }

    fn run(&mut self) -> Option<Finding> {
        let case = self.as_given();
        // A signature that is neither base64 nor hex matches no tag.
        if self.input.candidates.is_empty() {
            return None;
        }
        if let Some(finding) = self.attempt(case) {
            return Some(finding);
        }
        let mut single = ["other-secret"]
            .into_iter()
            .chain(SECRETS.iter().chain(BODIES).map(|mistake| mistake.id))
            .chain(ALGORITHMS.iter().map(|(id, _)| *id));
        let found = single.find_map(|id| self.combine(&[id], case));
        let found = found.or_else(|| self.with_any(NUMBERS_UNDER_ONE_NAME, case));
        if found.is_some() {
            return found;
        }
        self.bytes_left = Some(MAX_BYTES);
        self.with_any(NUMBERS_UNDER_OTHER_NAMES, case)
            .or_else(|| COMBINATIONS.iter().find_map(|combination| self.combine(combination, case)))
    }

    fn with_any(&mut self, bodies: &[Mistake], case: Case<'_>) -> Option<Finding> {
        bodies.iter().find_map(|mistake| self.with_body(mistake, &[], case))
    }

    /// Undoes one mistake of each list, in all combinations.
    fn combine(&mut self, lists: &[&'static str], case: Case<'_>) -> Option<Finding> {
        let Some((list, rest)) = lists.split_first() else { return self.attempt(case) };
        list.split(' ').find_map(|id| self.undo(id, rest, case))
    }

    fn undo(&mut self, id: Id, rest: &[&'static str], case: Case<'_>) -> Option<Finding> {
        // In the aggregation scheme this encoding is no mistake.
        if id == "pay-ascii" && self.input.scheme != Scheme::Pay {
            return None;
        }
        if let Some(mistake) = BODIES.iter().find(|mistake| mistake.id == id) {
            return self.with_body(mistake, rest, case);
        }
        self.tried.insert(id);
        let mistakes = [case.mistakes, &[id]].concat();
        let case = Case { mistakes: &mistakes, ..case };
        if let Some(mistake) = SECRETS.iter().find(|mistake| mistake.id == id) {
            let mut keys = mistake.undone(case.key).map(Zeroizing::new);
            return keys.find_map(|key| self.combine(rest, Case { key: &key, ..case }));
        }
        if let Some((_, tag)) = ALGORITHMS.iter().find(|(algorithm, _)| *algorithm == id) {
            return self.combine(rest, Case { tag: *tag, ..case });
        }
        let key = self.input.other_key.filter(|_| id == "other-secret")?;
        self.combine(rest, Case { key, ..case })
    }

    fn with_body(&mut self, mistake: &Mistake, rest: &[&'static str], case: Case<'_>) -> Option<Finding> {
        self.tried.insert(mistake.id);
        let mistakes = [case.mistakes, &[mistake.id]].concat();
        let mut bodies = mistake.undone(case.body);
        // This is not a `find_map`, so that the loop makes no further body after the limit is reached.
        while !self.is_spent() {
            let body = bodies.next()?;
            let finding = self.combine(rest, Case { body: &body, mistakes: &mistakes, ..case });
            if finding.is_some() {
                return finding;
            }
        }
        None
    }

    /// Computes the tag in each encoding, and compares it with the signature.
    fn attempt(&mut self, case: Case<'_>) -> Option<Finding> {
        if self.is_spent() {
            return None;
        }
        self.progress.show(self.combinations, case.mistakes);
        if let Some(finding) = self.compare(case, SignatureForm::Raw) {
            return Some(finding);
        }
        if self.input.scheme == Scheme::Pay || case.body.is_ascii() {
            return None;
        }
        let ascii = charset::to_ascii(str::from_utf8(case.body).ok()?);
        self.compare(Case { body: &ascii, ..case }, SignatureForm::Ascii)
    }

    fn compare(&mut self, case: Case<'_>, form: SignatureForm) -> Option<Finding> {
        self.combinations += 1;
        self.bytes_left = self.bytes_left.map(|left| left.saturating_sub(case.body.len() + OVERHEAD_BYTES));
        let tag = (case.tag)(case.key, case.body);
        let matching = |candidate: &Candidate| Some((candidate.spelling, candidate.matches(&tag)?));
        let (spelling, in_signature) = self.input.candidates.iter().find_map(matching)?;
        Some(finding(self.input.scheme, form, spelling, [case.mistakes, &in_signature].concat()))
    }

    fn is_spent(&self) -> bool {
        self.bytes_left == Some(0)
    }
}

/// Adds the mistake that the spelling reveals about the scheme.
fn finding(scheme: Scheme, form: SignatureForm, spelling: Spelling, mut mistakes: Vec<Id>) -> Finding {
    let foreign = match (scheme, spelling) {
        (Scheme::Aggregation, Spelling::Base64) | (Scheme::Pay, Spelling::Hex { .. }) => None,
        (Scheme::Aggregation, Spelling::Hex { prefixed: false }) => Some("hex-for-base64"),
        (Scheme::Aggregation, Spelling::Hex { prefixed: true }) => Some("wrong-scheme"),
        (Scheme::Pay, Spelling::Base64) => Some("base64-for-hex"),
    };
    let has_other_secret = mistakes.contains(&"other-secret");
    let (scheme, foreign) = match (scheme, foreign) {
        // With the other scheme's secret and spelling, it is the other scheme's signature.
        (Scheme::Aggregation, Some(_)) if has_other_secret => (Scheme::Pay, Some("wrong-scheme")),
        (Scheme::Pay, Some(_)) if has_other_secret => (Scheme::Aggregation, Some("wrong-scheme")),
        unchanged => unchanged,
    };
    if foreign.is_some() {
        mistakes.retain(|id| *id != "other-secret");
    }
    mistakes.extend(foreign);
    let form = match (scheme, form) {
        (Scheme::Pay, _) => SignatureForm::Pay,
        (Scheme::Aggregation, SignatureForm::Pay) => SignatureForm::Raw,
        (Scheme::Aggregation, form) => form,
    };
    Finding { scheme, form, mistakes }
}

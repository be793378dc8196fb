//! Numbers that a parser or a relay rewrote: `1.0` as `1`, `0.00` as `0`, `136.50` as `136.5`, and the reverse.
//!
//! Only trailing zeros can be restored, and only if one rule explains all numbers or all numbers under one member name.
//! Numbers with an exponent stay as they are.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
};

use super::json;

/// Turns the digits after the decimal point of a given number into those of the signed number. A whole number has none.
pub type Rule = fn(&str) -> Option<String>;

/// The signed numbers have fewer zeros.
pub const SHORTEN: &[Rule] = &[
    // JavaScript writes no trailing zeros.
    |digits| without_zeros(digits, 0),
    // Python and .NET's `double` keep one decimal.
    |digits| without_zeros(digits, 1),
    // A relay added zeros to whole numbers only.
    |digits| digits.bytes().all(|digit| digit == b'0').then(String::new),
    // A relay wrote the four decimals of SQL's `money`.
    |digits| without_zeros(digits, 2),
];

/// The signed numbers have more zeros.
pub const LENGTHEN: &[Rule] = &[
    // .NET's `double`: 500 was 500.0.
    |digits| Some(format!("{digits:0<1}")),
    // .NET's `decimal`: 500 was 500.00, and 136.5 was 136.50.
    |digits| Some(format!("{digits:0<2}")),
    // Python wrote 500.00 as 500.0 and left whole numbers alone.
    |digits| (!digits.is_empty()).then(|| format!("{digits:0<2}")),
    // A relay dropped the fraction only where it was zero.
    |digits| digits.is_empty().then(|| "00".to_owned()),
];

fn without_zeros(digits: &str, min_decimals: usize) -> Option<String> {
    let needed = digits.trim_end_matches('0').len();
    digits.get(..needed.max(min_decimals.min(digits.len()))).map(str::to_owned)
}

/// Names that Flinks gives to amounts of money.
const AMOUNTS: &[&str] = &["Debit", "Credit", "Balance", "Available", "Current", "Limit", "OverdraftLimit", "amount"];
/// Names that Flinks gives to whole numbers.
const INTEGERS: &[&str] = &["HttpStatusCode", "TransitNumber", "InstitutionNumber", "PageNumber", "Count"];
/// Names that Flinks gives to ratios, which are `double` where amounts are `decimal`.
const RATIOS: &[&str] = &["EftEligibleRatio", "ETransferEligibleRatio"];

/// No Flinks payload has numbers under more names than this. The limit bounds the work: 4 bodies per name alone, and 20
/// per name together with the others.
const MAX_NAMES: usize = 32;

/// Applies one rule to all numbers, or to all that may be amounts.
pub fn everywhere<'t>(text: &'t str, rules: &'static [Rule]) -> Box<dyn Iterator<Item = Vec<u8>> + 't> {
    type Scope = fn(&Numbers<'_>, &str) -> bool;
    const SCOPES: &[Scope] = &[
        |_, _| true,
        |_, name| !INTEGERS.contains(&name),
        |numbers, name| AMOUNTS.contains(&name) || numbers.has_fraction(name),
    ];
    let numbers = Numbers::find(text);
    let by_type = numbers.rewritten(|name| match name {
        _ if INTEGERS.contains(&name) => None,
        _ if RATIOS.contains(&name) => rules.first(),
        _ => rules.get(1),
    });
    let scopes = SCOPES.iter().flat_map(|scope| rules.iter().map(move |rule| (scope, rule)));
    let uniform =
        scopes.filter_map(move |(scope, rule)| numbers.rewritten(|name| scope(&numbers, name).then_some(rule)));
    Box::new(distinct(uniform.chain(by_type)))
}

/// Applies one rule to the numbers under a single name.
pub fn under_one_name<'t>(text: &'t str, rules: &'static [Rule]) -> Box<dyn Iterator<Item = Vec<u8>> + 't> {
    let numbers = Numbers::find(text);
    let cases = numbers.names().into_iter().flat_map(|name| rules.iter().map(move |rule| (name, rule)));
    Box::new(distinct(cases.filter_map(move |(one, rule)| numbers.rewritten(|name| (name == one).then_some(rule)))))
}

/// Applies one rule to the numbers under all names but one, and another rule or none to that name.
pub fn under_other_names<'t>(text: &'t str, rules: &'static [Rule]) -> Box<dyn Iterator<Item = Vec<u8>> + 't> {
    let numbers = Numbers::find(text);
    let pairs =
        || rules.iter().flat_map(|rest| [None].into_iter().chain(rules.iter().map(Some)).map(move |own| (rest, own)));
    let cases = numbers.names().into_iter().flat_map(move |name| pairs().map(move |(rest, own)| (name, own, rest)));
    Box::new(distinct(cases.filter_map(move |(one, own, rest)| {
        numbers.rewritten(|name| match name {
            _ if name == one => own,
            _ if INTEGERS.contains(&name) => None,
            _ => Some(rest),
        })
    })))
}

fn distinct(bodies: impl Iterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    let mut seen = HashSet::new();
    bodies.filter(move |body| {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        seen.insert(hasher.finish())
    })
}

/// The numbers in a JSON text, each with the name of the member that holds it, directly or in an array.
struct Numbers<'t> {
    text: &'t str,
    found: Vec<(&'t str, Range<usize>)>,
}

impl<'t> Numbers<'t> {
    fn find(text: &'t str) -> Self {
        let tokens = json::read(text).unwrap_or_default();
        let following = tokens.iter().skip(1).chain([&""]);
        let mut found = Vec::new();
        let mut name = "";
        let mut outer_names = Vec::new();
        for (token, next) in tokens.iter().zip(following) {
            match token.bytes().next() {
                Some(b'{' | b'[') => outer_names.push(name),
                Some(b'}' | b']') => name = outer_names.pop().unwrap_or_default(),
                Some(b'"') if *next == ":" => name = token.trim_matches('"'),
                Some(b'-' | b'0'..=b'9') => {
                    let start = token.as_ptr().addr() - text.as_ptr().addr();
                    found.push((name, start..start + token.len()));
                }
                _ => {}
            }
        }
        Self { text, found }
    }

    fn names(&self) -> Vec<&'t str> {
        let mut names = Vec::new();
        for (name, _) in &self.found {
            if !names.contains(name) && names.len() < MAX_NAMES {
                names.push(*name);
            }
        }
        names
    }

    fn number(&self, range: &Range<usize>) -> &'t str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn has_fraction(&self, name: &str) -> bool {
        self.found.iter().any(|(holder, range)| *holder == name && self.number(range).contains('.'))
    }

    /// Rewrites each number by the rule for its name. `None` if no number changes.
    fn rewritten<'r>(&self, rule: impl Fn(&str) -> Option<&'r Rule>) -> Option<Vec<u8>> {
        let mut text = String::with_capacity(self.text.len());
        let mut copied = 0;
        for (name, range) in &self.found {
            if let Some(number) = rule(name).and_then(|rule| rewrite(self.number(range), *rule)) {
                text.push_str(self.text.get(copied..range.start).unwrap_or_default());
                text.push_str(&number);
                copied = range.end;
            }
        }
        text.push_str(self.text.get(copied..).unwrap_or_default());
        (copied > 0).then(|| text.into_bytes())
    }
}

fn rewrite(number: &str, rule: Rule) -> Option<String> {
    let (whole, digits) = number.split_once('.').unwrap_or((number, ""));
    let digits = rule(digits).filter(|_| !number.contains(['e', 'E']))?;
    let point = if digits.is_empty() { "" } else { "." };
    Some(format!("{whole}{point}{digits}")).filter(|rewritten| rewritten != number)
}

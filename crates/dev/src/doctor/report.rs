//! What the doctor says.

use anstyle::{AnsiColor, Style};
use flinks_webhooks::auth::{Scheme, SignatureForm};
use serde_json::{Value, json};

use super::{
    mistake::Mistake,
    search::{Finding, Outcome},
    sign::{Header, scheme_name},
};
use crate::{failure::Failure, output::Output};

/// A diagnosis.
pub struct Report {
    pub outcome: Outcome,
    /// The scheme that was asked about, or guessed.
    pub scheme: Scheme,
    /// Why no key can make the signature, if so.
    pub impossible: Option<&'static Mistake>,
    pub body_is_empty: bool,
    /// The signature is hex digits alone.
    pub prefix_missing: bool,
    pub other_secret_known: bool,
    /// Only where it was asked for.
    pub expected: Vec<Expected>,
}

/// A header that would be right.
pub struct Expected(pub Header);

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();

impl Report {
    /// Prints it, in either form.
    pub fn print(&self, output: &Output) {
        output.json(&self.object());
        match &self.outcome.finding {
            Some(finding) if finding.mistakes.is_empty() => self.print_match(finding, output),
            Some(finding) => self.print_mistakes(finding, output),
            None => self.print_nothing_found(output),
        }
        for Expected(header) in &self.expected {
            output.line("");
            output.line(format_args!("Expected ({}): {}: {}", header.form, header.name, header.value));
        }
    }

    /// How the command ends.
    ///
    /// # Errors
    /// When the signature does not match as it is.
    pub fn verdict(&self) -> Result<(), Failure> {
        let mistakes = self.mistakes();
        if mistakes.is_empty() && self.outcome.finding.is_some() {
            return Ok(());
        }
        let ids: Vec<_> = mistakes.iter().map(|mistake| mistake.id).collect();
        let why = if ids.is_empty() { "no mistake that is known explains it".to_owned() } else { ids.join(", ") };
        Err(Failure::reported(format!("the signature does not match: {why}")))
    }

    fn mistakes(&self) -> Vec<&'static Mistake> {
        match &self.outcome.finding {
            Some(finding) => finding.mistakes.clone(),
            None => self.impossible.into_iter().collect(),
        }
    }

    fn object(&self) -> Value {
        let finding = self.outcome.finding.as_ref();
        let mut object = json!({
            "matches": finding.is_some_and(|finding| finding.mistakes.is_empty()),
            "form": finding.map(|finding| finding.form.as_str()),
            "scheme": scheme_name(finding.map_or(self.scheme, |finding| finding.scheme)),
            "mistakes": self.mistakes(),
            "tried": self.outcome.tried,
            "combinations": self.outcome.combinations,
            "cutShort": self.outcome.cut_short,
            // Only the header needs it, so it is no mistake.
            "prefixMissing": self.prefix_missing,
        });
        if let Some(fields) = object.as_object_mut().filter(|_| !self.expected.is_empty()) {
            let expected = self
                .expected
                .iter()
                .map(|Expected(header)| json!({ "form": header.form, "header": header.name, "value": header.value }));
            fields.insert("expected".to_owned(), expected.collect());
        }
        object
    }

    fn print_match(&self, finding: &Finding, output: &Output) {
        output.line(format_args!("{GOOD}The signature matches{GOOD:#}: {}.", reading(finding)));
        match finding.form {
            SignatureForm::Raw => {}
            SignatureForm::Ascii => paragraph(
                output,
                "The signer turned the body into ASCII first, as Flinks' article says. The receiver takes this as long as AsciiEncoding is on.",
            ),
            SignatureForm::Pay if self.prefix_missing => {
                paragraph(output, "In the header X-Webhook-Signature it needs sha256= before it.");
            }
            SignatureForm::Pay => {}
        }
        if self.body_is_empty {
            paragraph(
                output,
                "The body is empty, though. If it should not be, something had read it before it was saved.",
            );
        }
    }

    fn print_mistakes(&self, finding: &Finding, output: &Output) {
        let what = if finding.mistakes.len() == 1 { "one thing is" } else { "these are" };
        output.line(format_args!("{BAD}The signature does not match{BAD:#}. It does once {what} put right:"));
        for mistake in &finding.mistakes {
            print_mistake(output, mistake);
        }
        output.line("");
        output.line(format_args!("Then it matches: {}.", reading(finding)));
    }

    fn print_nothing_found(&self, output: &Output) {
        if let Some(mistake) = self.impossible {
            output.line(format_args!("{BAD}The signature cannot be right{BAD:#}, whatever the secret:"));
            print_mistake(output, mistake);
            return;
        }
        output
            .line(format_args!("{BAD}The signature does not match{BAD:#}, and no mistake that is known explains it."));
        output.line("");
        let Outcome { combinations, tried, cut_short, .. } = &self.outcome;
        output.line(format_args!("{STRONG}Tried{STRONG:#}, {combinations} combinations of:"));
        paragraph(output, &tried.iter().copied().collect::<Vec<_>>().join(", "));
        if *cut_short {
            paragraph(
                output,
                "The body is so large that some combinations of mistakes were left out. A smaller callback shows the same mistake sooner.",
            );
        }
        output.line("");
        output.line(format_args!("{STRONG}Check next{STRONG:#}:"));
        for (at, step) in self.next_steps().into_iter().enumerate() {
            item(output, &format!("{}.", at + 1), step);
        }
    }

    fn next_steps(&self) -> Vec<&'static str> {
        let mut steps = Vec::new();
        if self.body_is_empty {
            steps.push("The body is empty: was it read before it was saved?");
        }
        steps.extend([
            "Is it this environment's secret? Flinks has one for each instance, and another for Flinks Pay. Was it rotated since?",
            "Do body and signature belong to the same callback? Save both in the same place, at the same time.",
            "Are these the bytes as they arrived? Save them before any parser, framework or logger touches them; one that masks, cuts or changes a value cannot be undone.",
            "Did something on the way change the body, such as a proxy or a firewall? Check it in the first thing that sees it.",
        ]);
        if !self.other_secret_known {
            steps
                .push("Are the secrets of the two schemes mixed up? Give the other one too, with --other-secret-file.");
        }
        steps
    }
}

fn reading(finding: &Finding) -> &'static str {
    match finding.form {
        SignatureForm::Raw => "aggregation scheme (flinks-authenticity-key), raw reading, over the body's own bytes",
        SignatureForm::Ascii => {
            "aggregation scheme (flinks-authenticity-key), ascii reading, a question mark for each UTF-16 unit outside ASCII"
        }
        SignatureForm::Pay => "Flinks Pay scheme (X-Webhook-Signature), pay reading, over the body's own bytes",
    }
}

fn print_mistake(output: &Output, mistake: &Mistake) {
    output.line("");
    output.line(format_args!("  {STRONG}{}{STRONG:#} (in the {})", mistake.id, mistake.place.name()));
    paragraph(output, mistake.explanation);
}

fn paragraph(output: &Output, text: &str) {
    item(output, "", text);
}

/// Text after a mark, indented, in lines that are pleasant to read.
fn item(output: &Output, mark: &str, text: &str) {
    const WIDTH: usize = 92;
    let mut mark = mark;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            output.line(format_args!("  {mark:<2} {line}"));
            line.clear();
            mark = "";
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    output.line(format_args!("  {mark:<2} {line}"));
}

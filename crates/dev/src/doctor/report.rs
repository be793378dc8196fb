//! The report of a diagnosis, for a person or for a script.

use anstyle::{AnsiColor, Style};
use flinks_webhooks::auth::{Scheme, SignatureForm};
use serde_json::{Value, json};

use super::{
    mistake::{Explanation, Id, explain},
    search::{Finding, Outcome},
    sign::Header,
};
use crate::{failure::Failure, output::Output};

/// A diagnosis.
pub struct Report {
    pub outcome: Outcome,
    /// The scheme that the user named, or the guessed one.
    pub scheme: Scheme,
    /// Why no key can produce the signature. `None` if one can.
    pub impossible: Option<Id>,
    pub body_is_empty: bool,
    /// Whether the signature is hex digits without `sha256=`.
    pub prefix_missing: bool,
    pub other_secret_known: bool,
    /// The correct headers, if the user asks for them.
    pub expected: Vec<Header>,
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();

impl Report {
    /// Prints the report.
    pub fn print(&self, output: &Output) {
        output.json(&self.object());
        match &self.outcome.finding {
            Some(finding) if finding.mistakes.is_empty() => self.print_match(finding, output),
            Some(finding) => self.print_mistakes(finding, output),
            None => self.print_nothing_found(output),
        }
        for header in &self.expected {
            output.line("");
            output.line(format_args!("Expected ({}): {}: {}", header.form, header.name, header.value));
        }
    }

    /// Turns the diagnosis into the command's exit code.
    ///
    /// # Errors
    /// If the given signature does not match.
    pub fn verdict(&self) -> Result<(), Failure> {
        let mistakes = self.mistakes();
        if mistakes.is_empty() && self.outcome.finding.is_some() {
            return Ok(());
        }
        let known = mistakes.join(", ");
        let why = if known.is_empty() { "no known mistake explains it" } else { &known };
        Err(Failure::reported(format!("the signature does not match: {why}")))
    }

    fn mistakes(&self) -> Vec<Id> {
        match &self.outcome.finding {
            Some(finding) => finding.mistakes.clone(),
            None => self.impossible.into_iter().collect(),
        }
    }

    fn object(&self) -> Value {
        let finding = self.outcome.finding.as_ref();
        let mistakes = self.mistakes().into_iter().map(|id| {
            let Explanation { place, text } = explain(id);
            json!({ "id": id, "where": place, "explanation": text })
        });
        let mut object = json!({
            "matches": finding.is_some_and(|finding| finding.mistakes.is_empty()),
            "form": finding.map(|finding| finding.form.as_str()),
            "scheme": finding.map_or(self.scheme, |finding| finding.scheme),
            "mistakes": mistakes.collect::<Vec<_>>(),
            "tried": self.outcome.tried,
            "combinations": self.outcome.combinations,
            "cutShort": self.outcome.cut_short,
            // Only the header needs the prefix, so a missing one is no mistake here.
            "prefixMissing": self.prefix_missing,
        });
        if let Some(fields) = object.as_object_mut().filter(|_| !self.expected.is_empty()) {
            let expected = self.expected.iter();
            let expected =
                expected.map(|header| json!({ "form": header.form, "header": header.name, "value": header.value }));
            fields.insert("expected".to_owned(), expected.collect());
        }
        object
    }

    fn print_match(&self, finding: &Finding, output: &Output) {
        output.line(format_args!("{GOOD}The signature matches{GOOD:#}: {}.", describe(finding)));
        if finding.form == SignatureForm::Ascii {
            paragraph(
                output,
                "The signer first encoded the body as ASCII, as Flinks' article says. The receiver accepts this while the parameter AsciiEncoding is on.",
            );
        }
        if finding.form == SignatureForm::Pay && self.prefix_missing {
            paragraph(output, "In the header X-Webhook-Signature, it needs sha256= before it.");
        }
        if self.body_is_empty {
            paragraph(output, "The body is empty. If it should not be, something read it before it was saved.");
        }
    }

    fn print_mistakes(&self, finding: &Finding, output: &Output) {
        let what = if finding.mistakes.len() == 1 { "this mistake" } else { "these mistakes" };
        output.line(format_args!("{BAD}The signature does not match{BAD:#}. It matches without {what}:"));
        for mistake in &finding.mistakes {
            print_mistake(output, mistake);
        }
        output.line("");
        output.line(format_args!("After that it matches: {}.", describe(finding)));
    }

    fn print_nothing_found(&self, output: &Output) {
        if let Some(mistake) = self.impossible {
            output.line(format_args!("{BAD}The signature cannot match{BAD:#}, whatever the secret:"));
            print_mistake(output, mistake);
            return;
        }
        output.line(format_args!("{BAD}The signature does not match{BAD:#}, and no known mistake explains it."));
        output.line("");
        let Outcome { combinations, tried, cut_short, .. } = &self.outcome;
        output.line(format_args!("{STRONG}Tried{STRONG:#}, {combinations} combinations of:"));
        paragraph(output, &tried.iter().copied().collect::<Vec<_>>().join(", "));
        if *cut_short {
            paragraph(
                output,
                "The body is large, so the search left out some combinations of mistakes. Try a smaller callback.",
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
            steps.push("The body is empty. Did something read it before it was saved?");
        }
        steps.extend([
            "Is this the secret of this environment? Flinks has one for each instance, and another one for Flinks Pay. Was it rotated after this callback?",
            "Do the body and the signature belong to the same callback? Save both in the same place, at the same time.",
            "Are these the bytes as they arrived? Save them before a parser, framework or logger touches them. If one of those masks, cuts or changes a value, this command cannot undo it.",
            "Did a proxy or a firewall change the body on the way? Check it in the first place that receives it.",
        ]);
        if !self.other_secret_known {
            steps
                .push("Are the secrets of the two schemes mixed up? Pass the other one too, with --other-secret-file.");
        }
        steps
    }
}

fn describe(finding: &Finding) -> &'static str {
    match finding.form {
        SignatureForm::Raw => "aggregation scheme (flinks-authenticity-key), raw encoding: the body's own bytes",
        SignatureForm::Ascii => {
            "aggregation scheme (flinks-authenticity-key), ascii encoding: a question mark for each UTF-16 unit outside ASCII"
        }
        SignatureForm::Pay => "Flinks Pay scheme (X-Webhook-Signature): the body's own bytes",
        SignatureForm::Api => "no signature: fetched from Flinks' API",
    }
}

fn print_mistake(output: &Output, id: Id) {
    let Explanation { place, text } = explain(id);
    output.line("");
    output.line(format_args!("  {STRONG}{id}{STRONG:#} (in the {place})"));
    paragraph(output, text);
}

fn paragraph(output: &Output, text: &str) {
    item(output, "", text);
}

/// Prints a mark and an indented text, wrapped.
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

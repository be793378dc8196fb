//! What a command says: text for a person, or JSON for a script.

use std::io::Write;

use serde_json::{Value, json};

use crate::failure::Failure;

/// Global options.
#[derive(clap::Args)]
pub struct OutputArguments {
    /// Print JSON, one object a line, and nothing else on standard output.
    #[arg(long, global = true)]
    json: bool,
}

/// Where a command prints. Colours go through `anstream`, which drops them when standard output is no terminal or
/// `NO_COLOR` is set.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(arguments: &OutputArguments) -> Self {
        Self { json: arguments.json }
    }

    /// Whether a script reads this. Then nothing but [`Output::json`] prints on standard output.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// A line for a person; nothing with `--json`.
    pub fn line(self, line: impl std::fmt::Display) {
        if !self.json {
            // A reader that has gone (`| head`) is no reason to fail.
            let _ = writeln!(anstream::stdout().lock(), "{line}");
        }
    }

    /// An object for a script; nothing without `--json`.
    pub fn json(self, value: &Value) {
        if self.json {
            let _ = writeln!(std::io::stdout().lock(), "{value}");
        }
    }

    /// The one line of a failure, on standard error; as an object too for a script.
    pub fn failure(self, failure: &Failure) {
        if !failure.is_reported() {
            self.json(&json!({ "error": failure.to_string() }));
        }
        let _ = writeln!(anstream::stderr().lock(), "error: {failure}");
    }
}

//! The output of a command: text for a person, or JSON for a script.

use std::io::Write;

use serde_json::{Value, json};

use crate::failure::Failure;

/// Global options.
#[derive(clap::Args)]
pub struct OutputArguments {
    /// Print only JSON on standard output, one object on each line.
    #[arg(long, global = true)]
    json: bool,
}

/// Prints a command's output. `anstream` removes colours if standard output is not a terminal or `NO_COLOR` is set.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(arguments: &OutputArguments) -> Self {
        Self { json: arguments.json }
    }

    /// Whether a script reads the output. Then only [`Output::json`] prints on standard output.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints a line for a person. Prints nothing with `--json`.
    pub fn line(self, line: impl std::fmt::Display) {
        if !self.json {
            // A reader may close the pipe early (`| head`). That must not fail the command.
            let _ = writeln!(anstream::stdout().lock(), "{line}");
        }
    }

    /// Prints an object for a script. Prints nothing without `--json`.
    pub fn json(self, value: &Value) {
        if self.json {
            let _ = writeln!(std::io::stdout().lock(), "{value}");
        }
    }

    /// Prints a failure's line on standard error. With `--json`, also prints an object.
    pub fn failure(self, failure: &Failure) {
        if !failure.is_reported() {
            self.json(&json!({ "error": failure.to_string() }));
        }
        let _ = writeln!(anstream::stderr().lock(), "error: {failure}");
    }
}

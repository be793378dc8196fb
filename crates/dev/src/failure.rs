//! How a command fails: one clear line and an exit code that means something.

use std::{fmt, process::ExitCode};

/// Why a command did not end well.
#[derive(Debug)]
pub struct Failure {
    line: String,
    code: u8,
    /// Standard output has it already, as JSON.
    told: bool,
}

impl Failure {
    /// It ran, and the answer is no: exit code 1.
    pub fn negative(line: impl Into<String>) -> Self {
        Self { line: line.into(), code: 1, told: false }
    }

    /// As [`Failure::negative`], where the command has printed an object that says so: a script gets no second one.
    pub fn told(line: impl Into<String>) -> Self {
        Self { told: true, ..Self::negative(line) }
    }

    pub fn is_told(&self) -> bool {
        self.told
    }

    /// It could not be run as asked: exit code 2. The line says what to do.
    pub fn usage(line: impl Into<String>) -> Self {
        Self { line: line.into(), code: 2, told: false }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.line)
    }
}

impl std::error::Error for Failure {}

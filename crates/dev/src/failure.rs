//! A command's failure: one clear line and an exit code.

use std::{fmt, process::ExitCode};

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    line: String,
    code: u8,
    /// Whether standard output already has the failure as JSON.
    is_reported: bool,
}

impl Failure {
    /// The command ran, and its result is negative: exit code 1.
    pub fn negative(line: impl Into<String>) -> Self {
        Self { line: line.into(), code: 1, is_reported: false }
    }

    /// Like [`Failure::negative`], but the command has already printed the failure as JSON. It is not printed again, so
    /// that a script gets only one object.
    pub fn reported(line: impl Into<String>) -> Self {
        Self { is_reported: true, ..Self::negative(line) }
    }

    pub fn is_reported(&self) -> bool {
        self.is_reported
    }

    /// The command could not run as asked: exit code 2. The line says what to do.
    pub fn usage(line: impl Into<String>) -> Self {
        Self { line: line.into(), code: 2, is_reported: false }
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

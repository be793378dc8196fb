//! Exact counts by valgrind: instructions, allocations, and bytes allocated and copied. A busy machine does not change
//! them, so they show differences between commits that a clock cannot.
//!
//! A program runs with n and with 2 n repetitions. The difference, divided by n, is the cost of one repetition without
//! the start.

use std::{fs, path::PathBuf, process::Command};

use serde::{Deserialize, Serialize};

use crate::Failure;

/// The cost of one repetition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions in user space. Valgrind's processor has no SHA extension, so hashing takes more of them.
    pub instructions: u64,
    pub allocations: u64,
    pub allocated_bytes: u64,
    /// Bytes copied by `memcpy` and similar functions. Copies that the compiler inlines do not count.
    pub copied_bytes: u64,
}

/// A valgrind tool.
#[derive(Clone, Copy)]
pub enum Tool {
    Instructions,
    Heap,
    Copies,
}

impl Tool {
    /// The arguments before the program.
    pub fn arguments(self) -> Vec<String> {
        let own: &[&str] = match self {
            Self::Instructions => &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
            Self::Heap => &["--tool=dhat", "--dhat-out-file=/dev/null"],
            Self::Copies => &["--tool=dhat", "--mode=copy", "--dhat-out-file=/dev/null"],
        };
        let log = format!("--log-file={}", log().display());
        own.iter().map(|argument| (*argument).to_owned()).chain([log]).collect()
    }

    /// The tool's counts: bytes and blocks, or only the number of instructions.
    fn read(self) -> Result<(u64, u64), Failure> {
        let log = fs::read_to_string(log())?;
        let line = |start: &str| {
            let found = log.lines().find_map(|line| line.split_once("== ")?.1.strip_prefix(start));
            found.ok_or_else(|| format!("valgrind's log has no {start:?}: {log}"))
        };
        let number = |text: &str| text.trim().replace(',', "").parse::<u64>().map_err(Failure::from);
        match self {
            Self::Instructions => Ok((number(line("Collected :")?)?, 0)),
            Self::Heap | Self::Copies => {
                let total = line("Total:")?;
                let (bytes, blocks) = total.split_once(" bytes in ").ok_or("valgrind's total has an unknown format")?;
                Ok((number(bytes)?, number(blocks.trim_end_matches(" blocks"))?))
            }
        }
    }
}

/// The log of this run. The process id distinguishes it from other runs.
fn log() -> PathBuf {
    PathBuf::from(format!("target/benches/valgrind-{}.log", std::process::id()))
}

pub fn is_installed() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts by calling `under` with each tool, with `times` repetitions and with twice as many.
///
/// # Errors If a run fails or valgrind's log has an unknown format.
pub fn difference(times: u64, mut under: impl FnMut(Tool, u64) -> Result<(), Failure>) -> Result<Counts, Failure> {
    log().parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut one = |tool: Tool| -> Result<(u64, u64), Failure> {
        under(tool, times)?;
        let once = tool.read()?;
        under(tool, 2 * times)?;
        let twice = tool.read()?;
        Ok((twice.0.saturating_sub(once.0) / times, twice.1.saturating_sub(once.1) / times))
    };
    let (instructions, _) = one(Tool::Instructions)?;
    let (allocated_bytes, allocations) = one(Tool::Heap)?;
    let (copied_bytes, _) = one(Tool::Copies)?;
    fs::remove_file(log())?;
    Ok(Counts { instructions, allocations, allocated_bytes, copied_bytes })
}

//! Exact counts by valgrind: instructions, allocations, bytes allocated and copied. They do not move with a busy
//! neighbour, so they tell two commits apart where a clock cannot.
//!
//! A program is run for n and for 2 n times; the difference, divided by n, is what one time costs, without the start.

use std::{fs, path::PathBuf, process::Command};

use serde::{Deserialize, Serialize};

use crate::Failure;

/// What one time costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// In user space. Valgrind's processor has no SHA extension, so hashing counts as on one without.
    pub instructions: u64,
    pub allocations: u64,
    pub allocated_bytes: u64,
    /// By `memcpy` and its like; what the compiler copies in line is not seen.
    pub copied_bytes: u64,
}

/// A tool of valgrind's.
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

    /// What the tool has counted: for the heap allocations and bytes, else one number.
    fn read(self) -> Result<(u64, u64), Failure> {
        let log = fs::read_to_string(log())?;
        let line = |start: &str| {
            let found = log.lines().find_map(|line| line.split_once("== ")?.1.strip_prefix(start));
            found.ok_or_else(|| format!("valgrind did not say {start:?}: {log}"))
        };
        let number = |text: &str| text.trim().replace(',', "").parse::<u64>().map_err(Failure::from);
        match self {
            Self::Instructions => Ok((number(line("Collected :")?)?, 0)),
            Self::Heap | Self::Copies => {
                let total = line("Total:")?;
                let (bytes, blocks) = total.split_once(" bytes in ").ok_or("valgrind's total is another")?;
                Ok((number(bytes)?, number(blocks.trim_end_matches(" blocks"))?))
            }
        }
    }
}

/// Of this run: another may be under way.
fn log() -> PathBuf {
    PathBuf::from(format!("target/benches/valgrind-{}.log", std::process::id()))
}

pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts by running `under` each tool for `times` and for twice as many.
///
/// # Errors
/// When a run fails, or valgrind says something else than expected.
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

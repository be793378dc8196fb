//! A run: every subject, over every transport, with callbacks of every size, in several rounds.
//!
//! Subjects take turns within a round, so that a busy period of the machine affects all of them. Another subject begins
//! each round, and every second round runs in reverse, so that no subject always follows the same one.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Instant};

use clap::ValueEnum;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::{
    Failure,
    backend::{Authority, Transport},
    callback::{Callback, Size},
    cost::{self, Prices},
    measured::{Counted, Figure, Measured, Package},
    picture,
    sample::{self, Count},
    subject::{self, Subject},
    table, targets,
    valgrind::{self, Tool},
};

#[derive(clap::Args)]
pub struct Arguments {
    /// Three rounds, two sizes, fewer callbacks: for a first look
    #[arg(long)]
    quick: bool,
    /// Number of rounds, each with a process for every subject, transport and size
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these subjects, and those of --also: floor, function, rust, node, python
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Another build of the function, to compare in the same run
    #[arg(long, value_name = "NAME=PATH", value_parser = further)]
    also: Vec<(String, PathBuf)>,
    /// Only these transports
    #[arg(long, value_delimiter = ',')]
    transports: Vec<Transport>,
    /// Only bodies of these sizes
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<Size>,
    /// Also count instructions, allocations and copied bytes of the native subjects, with valgrind
    #[arg(long, overrides_with = "counts")]
    counts: bool,
    /// Prices of AWS's services
    #[arg(long, value_name = "FILE", default_value = "benches/prices.toml")]
    prices: PathBuf,
    /// File for the figures as JSON
    #[arg(long, value_name = "FILE", default_value = "target/benches/function.json")]
    json: PathBuf,
    /// File for the picture
    #[arg(long, value_name = "FILE", default_value = "target/benches/benchmark.svg")]
    svg: PathBuf,
}

fn further(argument: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = argument.split_once('=').ok_or("expected NAME=PATH")?;
    Ok((name.to_owned(), path.into()))
}

/// The JSON report.
#[derive(Serialize)]
struct Report<'a> {
    machine: String,
    rounds: usize,
    packages: &'a BTreeMap<String, Package>,
    figures: Vec<Figure>,
    counts: Vec<Counted<'a>>,
    failures: &'a [String],
}

/// Measures, prints the tables and writes the files.
///
/// # Errors If nothing can be measured, or a subject has not stored a callback for which it returned 200.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let prices = Prices::read(&arguments.prices)?;
    let subjects = subjects(arguments)?;
    // Checked first, because a run takes long.
    if arguments.counts && !valgrind::is_installed() {
        return Err("--counts needs valgrind".into());
    }
    let default_sizes: &[Size] = if arguments.quick { &[Size::Kb2, Size::Mb1] } else { Size::value_variants() };
    let sizes = if arguments.sizes.is_empty() { default_sizes } else { &arguments.sizes };
    let transports =
        if arguments.transports.is_empty() { Transport::value_variants() } else { arguments.transports.as_slice() };
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 3 } else { 11 });
    let callbacks = sizes.iter().map(|size| Callback::with_size(*size)).collect::<Result<Vec<_>, _>>()?;

    let authority = Authority::new()?;
    let mut measured = Measured::new(subjects.iter().map(|subject| subject.name.clone()).collect());
    let mut failures = Vec::new();
    for round in 0..rounds {
        let started = Instant::now();
        for transport in transports {
            for callback in &callbacks {
                for subject in turns(&subjects, round) {
                    let count = Count::for_size(callback.size, arguments.quick);
                    match sample::take_sample(subject, *transport, callback, count, &authority).await {
                        Ok(sample) => measured.add(&subject.name, *transport, callback.size, sample),
                        Err(failure) => {
                            let (name, size) = (&subject.name, callback.size);
                            let failure = format!("{name}, {}, {}: {failure}", transport.label(), size.label());
                            eprintln!("{failure}");
                            failures.push((name.clone(), *transport, size, failure));
                        }
                    }
                }
            }
        }
        eprintln!("round {} of {rounds}: {:.0} s", round + 1, started.elapsed().as_secs_f64());
    }
    for (subject, transport, size, _) in &failures {
        measured.remove(subject, *transport, *size);
    }
    if arguments.counts {
        count(&mut measured, &subjects, &callbacks, &authority)?;
    }

    for subject in &subjects {
        measured.add_package(&subject.name, Package { bytes: subject.bytes()?, zip_bytes: subject.zip_bytes()? });
    }
    let failures: Vec<_> = failures.into_iter().map(|(_, _, _, failure)| failure).collect();
    println!("{}", machine());
    for subject in &subjects {
        if let Some(version) = subject.version() {
            println!("{}: {version}", subject.name);
        }
    }
    println!("Medians of {rounds} rounds; × is a multiple of the function's figure.");
    println!("\n### Figures\n\n{}", measured.main_table());
    println!("### Targets\n\n{}", targets::table(&measured));
    println!("{}", measured.tables());
    println!("{}", cost::tables(&measured, &prices));
    let (figures, counts) = (measured.figures(), measured.counts());
    let report =
        Report { machine: machine(), rounds, packages: measured.packages(), figures, counts, failures: &failures };
    table::write_json(&arguments.json, &report)?;
    table::write(&arguments.svg, &picture::draw(&measured))?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!("these measurements failed and do not count:\n{}", failures.join("\n")).into())
    }
}

/// The order of a round. Another subject begins each round, and every second round runs in reverse.
fn turns<T>(subjects: &[T], round: usize) -> impl Iterator<Item = &T> {
    let all = subjects.len();
    (0..all).filter_map(move |turn| {
        let steps = if round.is_multiple_of(2) { turn } else { all - turn };
        subjects.get((round + steps) % all)
    })
}

/// The requested subjects that are available. Reports the others.
fn subjects(arguments: &Arguments) -> Result<Vec<Subject>, Failure> {
    let (mut subjects, mut skipped) = subject::all();
    let names: Vec<&str> =
        subjects.iter().map(|subject| &*subject.name).chain(skipped.iter().map(|(name, _)| *name)).collect();
    let is_named =
        |name: &String| names.contains(&name.as_str()) || arguments.also.iter().any(|(also, _)| also == name);
    if let Some(unknown) = arguments.only.iter().find(|name| !is_named(name)) {
        return Err(format!("--only: there is no {unknown}; there are {}", names.join(", ")).into());
    }
    if !arguments.only.is_empty() {
        subjects.retain(|subject| arguments.only.contains(&subject.name));
        skipped.retain(|(name, _)| arguments.only.iter().any(|only| only == name));
    }
    for (name, reason) in skipped {
        eprintln!("{name} is skipped: {reason}");
    }
    subjects.extend(arguments.also.iter().map(|(name, path)| subject::function(name, path)));
    if subjects.is_empty() { Err("there is nothing to measure".into()) } else { Ok(subjects) }
}

/// Counts the cost of a callback for each native subject, with valgrind.
fn count(
    measured: &mut Measured,
    subjects: &[Subject],
    callbacks: &[Callback],
    authority: &Authority,
) -> Result<(), Failure> {
    /// Valgrind is fifty times slower. With this few callbacks a large body stays within the SDK's time limits.
    const TIMES: u64 = 3;
    for subject in subjects.iter().filter(|subject| subject.is_native) {
        for callback in callbacks {
            let counts = valgrind::difference(TIMES, |tool: Tool, times| {
                let command: Vec<String> = ["valgrind".to_owned()].into_iter().chain(tool.arguments()).collect();
                let times = usize::try_from(times)?;
                tokio::task::block_in_place(|| {
                    Handle::current().block_on(sample::run_under(&command, subject, callback, times, authority))
                })
            });
            match counts {
                Ok(counts) => measured.count(&subject.name, callback.size, counts),
                Err(failure) => eprintln!("{}, {}, valgrind: {failure}", subject.name, callback.size.label()),
            }
        }
    }
    Ok(())
}

/// Describes the machine.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores, {}", model.map_or("unknown processor", |(_, name)| name), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_subject_begins_once_and_follows_both_of_its_neighbours() {
        let subjects = ['a', 'b', 'c', 'd', 'e'];
        let rounds: Vec<Vec<char>> = (0..5).map(|round| turns(&subjects, round).copied().collect()).collect();
        assert_eq!(
            rounds[..3],
            [vec!['a', 'b', 'c', 'd', 'e'], vec!['b', 'a', 'e', 'd', 'c'], vec!['c', 'd', 'e', 'a', 'b']]
        );
        assert_eq!(rounds.iter().map(|turns| turns[0]).collect::<BTreeSet<_>>(), BTreeSet::from(subjects));
        let before_c: BTreeSet<_> = rounds
            .iter()
            .flat_map(|turns| turns.windows(2))
            .filter(|pair| pair[1] == 'c')
            .map(|pair| pair[0])
            .collect();
        assert_eq!(before_c, BTreeSet::from(['b', 'd']));
    }
}

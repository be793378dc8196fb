//! What the documents tell a reader to type is what `cargo dev` takes.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use clap::{Command, CommandFactory};

/// The commands of `cargo dev`. Those of this package stand in its list too, with their first line alone.
fn commands() -> Vec<Command> {
    let mut commands: Vec<_> = flinks_dev::command::Arguments::command().get_subcommands().cloned().collect();
    for own in flinks_queues::Arguments::command().get_subcommands() {
        let listed = commands.iter_mut().find(|command| command.get_name() == own.get_name());
        let listed = listed.unwrap_or_else(|| panic!("cargo dev --help does not list {}", own.get_name()));
        assert_eq!(listed.get_about().unwrap().to_string(), own.get_about().unwrap().to_string());
        *listed = own.clone();
    }
    commands
}

#[test]
fn every_command_and_option_in_a_document_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["", "docs", "benches", "fuzz", ".github/ISSUE_TEMPLATE"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let commands = commands();
    let common: BTreeSet<_> = flinks_dev::command::Arguments::command()
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .chain(["help".to_owned()])
        .collect();
    let mut found = BTreeSet::new();
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "md" || extension == "yml")) {
        // A command may go on at the next line.
        let text = fs::read_to_string(&path).unwrap().replace("\\\n", " ");
        for typed in text.split("cargo dev ").skip(1) {
            let typed = typed.split(['\n', '`', '#', '|', ';', ')', '"']).next().unwrap();
            let mut words = typed.split_whitespace();
            let Some(name) = words.next().filter(|name| name.starts_with(|first: char| first.is_lowercase())) else {
                continue;
            };
            let command = commands.iter().find(|command| command.get_name() == name);
            let command = command.unwrap_or_else(|| panic!("{}: there is no cargo dev {name}", path.display()));
            found.insert(name.to_owned());
            for option in words.filter_map(|word| word.strip_prefix("--")) {
                let mut options = command.get_arguments().filter_map(|argument| argument.get_long());
                let exists = options.any(|known| known == option) || common.contains(option);
                assert!(exists, "{}: cargo dev {name} takes no --{option}", path.display());
            }
        }
    }
    let missing: Vec<_> = commands.iter().map(Command::get_name).filter(|name| !found.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "no document shows these");
}

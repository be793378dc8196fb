//! Reads the value to search for. It is never an argument, because the shell's history keeps arguments and every
//! process on the machine can read them.

use std::{
    io::{self, IsTerminal, Read},
    path::Path,
};

use console::Term;
use zeroize::Zeroizing;

use super::wanted::Field;
use flinks_dev::failure::Failure;

/// Reads the value from the file, or without one from the terminal or standard input. White space around it is ignored.
///
/// # Errors
/// If the value cannot be read, is not text, or is empty. No error quotes the value or the file's name, because a user
/// may have typed the value as the name.
pub fn read(field: Field, file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let (from, read) = match file {
        Some(file) => ("the file of --value-file", std::fs::read(file)),
        None => ("standard input", from_input(field)),
    };
    let bytes = Zeroizing::new(read.map_err(|error| Failure::usage(format!("cannot read {from}: {error}")))?);
    let text = str::from_utf8(&bytes).map_err(|_| Failure::usage(format!("{from} is not UTF-8 text")))?;
    // Some editors start a file with a byte-order mark.
    let value = text.trim_start_matches('\u{FEFF}').trim();
    if value.is_empty() {
        return Err(Failure::usage(format!(
            "no value: type the {} when asked, or pass it on standard input or with --value-file FILE",
            field.attribute()
        )));
    }
    Ok(Zeroizing::new(value.to_owned()))
}

/// Reads one line from the terminal without showing it, or all of standard input if there is no terminal.
fn from_input(field: Field) -> io::Result<Vec<u8>> {
    let terminal = Term::stderr();
    if io::stdin().is_terminal() && terminal.is_term() {
        terminal.write_str(&format!("{} (not shown): ", field.attribute()))?;
        return terminal.read_secure_line().map(String::into_bytes);
    }
    let mut input = Vec::new();
    io::stdin().lock().read_to_end(&mut input)?;
    Ok(input)
}

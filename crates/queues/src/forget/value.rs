//! Where the value that is looked for comes from: never an argument, which the shell's history keeps and every process
//! on the machine can read.

use std::{
    io::{self, IsTerminal, Read},
    path::Path,
};

use console::Term;
use zeroize::Zeroizing;

use super::wanted::Field;
use flinks_dev::failure::Failure;

/// Reads the value from the file, or else from the terminal or standard input. White space around it is not part of it.
///
/// # Errors
/// When it cannot be read, is no text, or is empty. No error quotes it, nor the file's name: that may be the value, in
/// the wrong place.
pub fn read(field: Field, file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let (from, read) = match file {
        Some(file) => ("the file of --value-file", std::fs::read(file)),
        None => ("standard input", from_input(field)),
    };
    let bytes = Zeroizing::new(read.map_err(|error| Failure::usage(format!("cannot read {from}: {error}")))?);
    let text = str::from_utf8(&bytes).map_err(|_| Failure::usage(format!("{from} is not UTF-8 text")))?;
    // Some editors begin a file with a byte-order mark.
    let value = text.trim_start_matches('\u{FEFF}').trim();
    if value.is_empty() {
        return Err(Failure::usage(format!(
            "no value: type the {} when asked, or give it on standard input or with --value-file FILE",
            field.attribute()
        )));
    }
    Ok(Zeroizing::new(value.to_owned()))
}

/// One line of a terminal, which does not show it; else all of standard input.
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

//! Tables in Markdown, numbers in their units, and figures as JSON.

use std::{fs, path::Path};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::Failure;

/// A table that is readable in a terminal and can be pasted into a page.
pub fn markdown(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header.to_vec()).add_rows(rows);
    table.to_string()
}

/// Writes figures as JSON.
///
/// # Errors If the file cannot be written.
pub fn write_json(path: &Path, figures: &impl Serialize) -> Result<(), Failure> {
    write(path, &(serde_json::to_string_pretty(figures)? + "\n"))
}

/// Writes a file, creates its folder if needed, and prints the path.
///
/// # Errors If it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)?;
    eprintln!("written: {}", path.display());
    Ok(())
}

/// A number with about three digits. A large number has commas between its thousands.
pub fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => grouped(v.round() as u64),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

pub fn nanoseconds(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} ms", short(v / 1e6)),
        v if v >= 1e3 => format!("{} µs", short(v / 1e3)),
        v => format!("{} ns", short(v)),
    }
}

/// A number with commas between its thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_large_ones_grouped() {
        assert_eq!([short(1234.5), short(12.34), short(1.234), short(0.1234)], ["1,235", "12.3", "1.23", "0.123"]);
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
    }
}

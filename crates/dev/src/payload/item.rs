//! Lists that are as long as the payload's size allows.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// An item, as JSON already: it is written once, to be measured and to be sent.
pub type Item = Box<RawValue>;

/// How long a list becomes.
#[derive(Clone, Copy)]
pub enum Extent {
    Items(usize),
    /// As many as fit into so many bytes, the commas between them included.
    Bytes(usize),
}

/// A list of made-up items, with one at least.
pub fn list<T: Serialize>(extent: Extent, mut next: impl FnMut() -> T) -> Vec<Item> {
    let mut items = Vec::new();
    let mut used = 0;
    while let Some(item) = item(&next()) {
        used += item.get().len() + usize::from(!items.is_empty());
        match extent {
            Extent::Bytes(most) if used > most && !items.is_empty() => break,
            _ => items.push(item),
        }
        if matches!(extent, Extent::Items(count) if items.len() >= count) {
            break;
        }
    }
    items
}

/// An item; none where it cannot be written, which only a map with keys that are no strings cannot.
pub fn item(value: &impl Serialize) -> Option<Item> {
    to_raw_value(value).ok()
}

/// The bytes that the items of a list take.
pub fn length(items: &[Item]) -> usize {
    items.iter().map(|item| item.get().len()).sum::<usize>() + items.len().saturating_sub(1)
}

/// A value as JSON.
pub fn json(value: &impl Serialize) -> String {
    // As above: there is nothing that cannot be written.
    serde_json::to_string(value).unwrap_or_default()
}

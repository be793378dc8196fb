//! Lists of made-up items, as long as the payload's size allows.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// An item as JSON. It is serialised only once: its length counts, and then it is sent.
pub type Item = Box<RawValue>;

/// The length of a list.
#[derive(Clone, Copy)]
pub enum Extent {
    Items(usize),
    /// As many items as fit into this many bytes, including the commas between them.
    Bytes(usize),
}

/// Makes a list with at least one item.
pub fn list<T: Serialize>(extent: Extent, mut next: impl FnMut() -> T) -> Vec<Item> {
    let mut items = Vec::new();
    let mut used = 0;
    while let Some(item) = item(&next()) {
        used += item.get().len() + usize::from(!items.is_empty());
        match extent {
            Extent::Bytes(limit) if used > limit && !items.is_empty() => break,
            _ => items.push(item),
        }
        if matches!(extent, Extent::Items(count) if items.len() >= count) {
            break;
        }
    }
    items
}

/// Serialises an item. `None` only for maps whose keys are not strings, and there are none here.
pub fn item(value: &impl Serialize) -> Option<Item> {
    to_raw_value(value).ok()
}

/// The length of a list's items in bytes, including the commas between them.
pub fn length(items: &[Item]) -> usize {
    items.iter().map(|item| item.get().len()).sum::<usize>() + items.len().saturating_sub(1)
}

/// Serialises a value.
pub fn json(value: &impl Serialize) -> String {
    // This fails only for maps whose keys are not strings, and there are none here.
    serde_json::to_string(value).unwrap_or_default()
}

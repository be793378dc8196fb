#![no_main]

use flinks_invariants::event;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde::Deserialize;
use serde_json::{Deserializer, Value};

fuzz_target!(|input: &[u8]| event::check(input));

// A random change of a byte mostly breaks the JSON. So in fifteen of sixteen cases the mutator changes one of the
// event's strings before it is escaped.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = data.get(..size).filter(|_| seed % 16 != 0).and_then(|input| with_a_string_changed(input, seed));
    match changed.as_deref().and_then(|changed| Some((data.get_mut(..changed.len().min(max_size))?, changed))) {
        Some((place, changed)) if place.len() == changed.len() => {
            place.copy_from_slice(changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});

fn with_a_string_changed(input: &[u8], seed: u32) -> Option<Vec<u8>> {
    /// The most bytes that one mutation adds to a string.
    const MAX_GROWTH_BYTES: usize = 64;
    let (event, words) = event::split(input);
    let mut event = Value::deserialize(&mut Deserializer::from_slice(event)).ok()?;
    let mut strings = Vec::new();
    collect_strings(&mut event, &mut strings);
    let count = u32::try_from(strings.len()).ok()?;
    let place = (seed / 16).checked_rem(count)?;
    let string = strings.into_iter().nth(usize::try_from(place).ok()?)?;
    let mut bytes = std::mem::take(string).into_bytes();
    let size = bytes.len();
    bytes.resize(size + MAX_GROWTH_BYTES, 0);
    let changed = fuzzer_mutate(&mut bytes, size, size + MAX_GROWTH_BYTES);
    bytes.truncate(changed);
    *string = String::from_utf8_lossy(&bytes).into_owned();
    Some([event.to_string().as_bytes(), words].concat())
}

fn collect_strings<'v>(value: &'v mut Value, strings: &mut Vec<&'v mut String>) {
    match value {
        Value::String(string) => strings.push(string),
        Value::Array(elements) => elements.iter_mut().for_each(|element| collect_strings(element, strings)),
        Value::Object(members) => members.values_mut().for_each(|member| collect_strings(member, strings)),
        _ => {}
    }
}

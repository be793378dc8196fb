//! Reads a payload's values leniently: if a value has another JSON type than expected, only its field is lost.
//!
//! Each object is scanned for the members that its type has, and each member is then read from its own text. If a key
//! occurs twice, the last one counts. Recursion is only as deep as the types, however deep the JSON is.

use std::{
    fmt::{self, Write as _},
    marker::PhantomData,
};

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::Scalar;

/// Fields that have a value of another JSON type than expected. An absent field or `null` is not lost. In a list, each
/// element of another type, and each `null`, counts as a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LostFields {
    paths: Vec<String>,
    count: usize,
}

impl LostFields {
    /// Maximum number of paths that are kept: a payload can have a million wrong values.
    pub const MAX_PATHS: usize = 100;

    /// Where the first [`MAX_PATHS`](Self::MAX_PATHS) of them are, such as `Accounts[0].Transactions[3].Debit`. A path
    /// consists only of positions and of names that this crate knows, so it is safe to log.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// How many fields were lost.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn note(&mut self, trail: &[Step]) {
        self.count += 1;
        if self.paths.len() < Self::MAX_PATHS {
            let mut path = String::new();
            for step in trail {
                // Writing to a string cannot fail.
                let _ = match step {
                    Step::Key(key) if path.is_empty() => write!(path, "{key}"),
                    Step::Key(key) => write!(path, ".{key}"),
                    Step::Index(index) => write!(path, "[{index}]"),
                };
            }
            self.paths.push(path);
        }
    }
}

enum Step {
    Key(&'static str),
    Index(usize),
}

/// The path to the value that is being read, and the fields that were lost so far.
#[derive(Default)]
pub struct Reader {
    trail: Vec<Step>,
    lost: LostFields,
}

impl Reader {
    /// The value of a member; `None` where it is absent, `null` or of another type.
    pub fn member<T: FromJson>(&mut self, key: &'static str, json: Option<&RawValue>) -> Option<T> {
        self.step(Step::Key(key), json?)
    }

    pub fn into_lost(self) -> LostFields {
        self.lost
    }

    fn step<T: FromJson>(&mut self, step: Step, json: &RawValue) -> Option<T> {
        self.trail.push(step);
        let value = T::from_json(json, self);
        if value.is_none() {
            self.lost.note(&self.trail);
        }
        self.trail.pop();
        value
    }
}

/// A type that a payload's value can have.
pub trait FromJson: Sized {
    /// The value; `None` for JSON of another type.
    fn from_json(json: &RawValue, reader: &mut Reader) -> Option<Self>;
}

impl FromJson for String {
    /// Also `None` for a string with a lone surrogate, because that is not valid text.
    fn from_json(json: &RawValue, _: &mut Reader) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }
}

impl FromJson for bool {
    fn from_json(json: &RawValue, _: &mut Reader) -> Option<Self> {
        json.get().parse().ok()
    }
}

impl FromJson for Scalar {
    fn from_json(json: &RawValue, _: &mut Reader) -> Option<Self> {
        Self::of_any_length(json)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    /// Without the elements that are lost.
    fn from_json(json: &RawValue, reader: &mut Reader) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(json.get());
        deserializer.deserialize_seq(ElementsVisitor { reader, element: PhantomData }).ok()
    }
}

struct ElementsVisitor<'r, T> {
    reader: &'r mut Reader,
    element: PhantomData<T>,
}

impl<'de, T: FromJson> Visitor<'de> for ElementsVisitor<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut index) = (Vec::new(), 0);
        while let Some(json) = elements.next_element::<&RawValue>()? {
            found.extend(self.reader.step(Step::Index(index), json));
            index += 1;
        }
        Ok(found)
    }
}

//! What a cell of a published table or recipe may hold, and ordered maps of cells that refuse a key given twice.
//!
//! serde's own maps let the last of two equal keys win; a figure typed in twice with different values must not.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

/// One value as printed.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// A dash in the source.
    Dash,
    /// A number; percent unless the column says otherwise.
    Number(f64),
    /// Text of a descriptive column.
    Text(String),
    /// A switch of a recipe.
    Flag(bool),
    /// A list of a recipe (names of parameters, say).
    List(Vec<Word>),
}

impl Word {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Word::Number(value) => Some(*value),
            _ => None,
        }
    }
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, a text, a list or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Word, E> {
        Ok(Word::Dash)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Word, E> {
        Ok(Word::Flag(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Word, E> {
        Ok(Word::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Word, E> {
        Ok(Word::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Word, E> {
        if value.is_finite() { Ok(Word::Number(value)) } else { Err(E::custom("a published figure must be finite")) }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Word, E> {
        Ok(Word::Text(value.to_string()))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Word, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Word::List(list))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

/// Names to values, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<(String, Word)>);

impl Values {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Word> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Word)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("names with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Values, A::Error> {
        let mut values = Values::default();
        while let Some((name, value)) = entries.next_entry::<String, Word>()? {
            if values.get(&name).is_some() {
                return Err(A::Error::custom(format!("duplicate key `{name}`")));
            }
            values.0.push((name, value));
        }
        Ok(values)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

//! YAML as a tree that keeps what typed maps lose: duplicate keys, the order of keys, and the place of every value.
//!
//! The only file that knows `serde_yaml`. Its typed maps accept duplicate keys, and it tells positions only in errors.
//! Both are solved by one walk: [`Walk`] visits the document's values in document order (keys included) and numbers
//! them; to learn where value `n` stands, the document is walked again and the visitor of value `n` fails on purpose,
//! because an error raised inside a visitor is given the mark of the very event it was visiting. So positions are right
//! in block and flow style, with comments, quotes and anchors, without a scanner of our own.
//!
//! The number of values is capped: an alias counts as often as it is used, which stops documents that explode.

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Visitor};
use std::cell::{Cell, RefCell};
use std::fmt;

/// Values (and keys) a document may have, aliases counted as often as they are used.
pub const MAX_VALUES: usize = 50_000;

/// A value without its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number that fits.
    Whole(i64),
    /// Any other number; may be infinite or NaN.
    Real(f64),
    /// Text, quoted or not.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in document order, duplicates included.
    Map(Vec<(Node, Node)>),
}

/// Where a node was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Number of the value in document order, to be given to [`locate`].
    File(usize),
    /// Index of a `--set` argument.
    Set(usize),
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where.
    pub place: Place,
}

/// Why a text is not one YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The parser's words, without its position.
    pub message: String,
    /// Line and column from 1, where the parser knows them.
    pub position: Option<(usize, usize)>,
}

/// Reads one document.
pub fn parse(text: &str) -> Result<Node, Malformed> {
    let state = State { next: Cell::new(0), stop: None, refusal: RefCell::new(None) };
    Walk(&state).deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| malformed(&error, &state))
}

/// Line and column, from 1, of value number `index` of a text that [`parse`] accepts.
pub fn locate(text: &str, index: usize) -> Option<(usize, usize)> {
    let state = State { next: Cell::new(0), stop: Some(index), refusal: RefCell::new(None) };
    let error = Walk(&state).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    error.location().map(|location| (location.line(), location.column()))
}

fn malformed(error: &serde_yaml::Error, state: &State) -> Malformed {
    let position = error.location().map(|location| (location.line(), location.column()));
    let mut message = error.to_string();
    if let Some((line, column)) = position {
        message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
    }
    if message.contains("more than one document") {
        message = "more than one document, expected one".into();
    }
    Malformed { message: state.refusal.take().unwrap_or(message), position }
}

/// What one walk over a document carries along.
struct State {
    next: Cell<usize>,
    stop: Option<usize>,
    /// Our own reason for stopping, which `serde_yaml` would decorate with a path.
    refusal: RefCell<Option<String>>,
}

impl State {
    fn refuse<E: serde::de::Error>(&self, reason: impl fmt::Display) -> E {
        *self.refusal.borrow_mut() = Some(reason.to_string());
        E::custom("refused")
    }
}

/// Numbers the next value; fails where the walk is to stop.
#[derive(Clone, Copy)]
struct Walk<'a>(&'a State);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let index = self.0.next.replace(self.0.next.get() + 1);
        deserializer.deserialize_any(NodeVisitor { state: self.0, index })
    }
}

struct NodeVisitor<'a> {
    state: &'a State,
    index: usize,
}

impl NodeVisitor<'_> {
    /// Fails here if this is the value looked for, or one too many.
    fn arrive<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.state.stop == Some(self.index) {
            return Err(E::custom("found"));
        }
        if self.index >= MAX_VALUES {
            return Err(self
                .state
                .refuse(format_args!("more than {MAX_VALUES} values (aliases count as often as used)")));
        }
        Ok(())
    }

    fn node<E: serde::de::Error>(self, value: Value) -> Result<Node, E> {
        self.arrive()?;
        Ok(Node { value, place: Place::File(self.index) })
    }
}

impl<'de> Visitor<'de> for NodeVisitor<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.node(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.node(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Node, E> {
        self.node(Value::Flag(flag))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Node, E> {
        self.node(Value::Whole(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Node, E> {
        self.node(i64::try_from(number).map_or(Value::Real(number as f64), Value::Whole))
    }

    fn visit_i128<E: serde::de::Error>(self, number: i128) -> Result<Node, E> {
        self.node(Value::Real(number as f64))
    }

    fn visit_u128<E: serde::de::Error>(self, number: u128) -> Result<Node, E> {
        self.node(Value::Real(number as f64))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Node, E> {
        self.node(Value::Real(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node, E> {
        self.node(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        self.arrive()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Walk(self.state))? {
            list.push(element);
        }
        Ok(Node { value: Value::List(list), place: Place::File(self.index) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        self.arrive()?;
        let mut map = Vec::new();
        while let Some(key) = entries.next_key_seed(Walk(self.state))? {
            map.push((key, entries.next_value_seed(Walk(self.state))?));
        }
        Ok(Node { value: Value::Map(map), place: Place::File(self.index) })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _data: A) -> Result<Node, A::Error> {
        self.arrive()?;
        Err(self.state.refuse("a tag such as `!name`, expected a plain value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Position of the text scalar `wanted`, found by walking the tree.
    fn position(source: &str, wanted: &str) -> Option<(usize, usize)> {
        fn find<'a>(node: &'a Node, wanted: &str) -> Option<&'a Node> {
            match &node.value {
                Value::Text(text) if text == wanted => Some(node),
                Value::List(list) => list.iter().find_map(|element| find(element, wanted)),
                Value::Map(map) => {
                    map.iter().find_map(|(key, value)| find(key, wanted).or_else(|| find(value, wanted)))
                }
                _ => None,
            }
        }
        let tree = parse(source).unwrap();
        match find(&tree, wanted)?.place {
            Place::File(index) => locate(source, index),
            Place::Set(_) => None,
        }
    }

    #[test]
    fn positions_are_right_in_block_and_flow_style_and_among_comments() {
        // Counted by hand: line 1 is a comment, columns count from 1.
        let source = "# é a: b\na: 'x # y'   # c\nlist:\n  - one\n  - [two, \"three\",\n     four]\nlast: {k: v}\n";
        assert_eq!(position(source, "x # y"), Some((2, 4)));
        assert_eq!(position(source, "one"), Some((4, 5)));
        assert_eq!(position(source, "three"), Some((5, 11)));
        assert_eq!(position(source, "four"), Some((6, 6)));
        assert_eq!(position(source, "k"), Some((7, 8)));
        assert_eq!(position(source, "v"), Some((7, 11)));
    }

    #[test]
    fn duplicate_keys_are_both_in_the_tree() {
        let Value::Map(map) = parse("a: 1\na: 2\n").unwrap().value else { panic!("a map") };
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn numbers_keep_their_kind() {
        let tree = parse("[1, -2, 5e-5, .nan, 1e400, 99999999999999999999, '7', 1.0]").unwrap();
        let Value::List(list) = tree.value else { panic!("a list") };
        assert_eq!((&list[0].value, &list[1].value), (&Value::Whole(1), &Value::Whole(-2)));
        assert_eq!(list[2].value, Value::Real(5e-5));
        assert!(matches!(list[3].value, Value::Real(x) if x.is_nan()));
        assert!(
            matches!(&list[4].value, Value::Real(x) if x.is_infinite()) || matches!(&list[4].value, Value::Text(_))
        );
        assert_eq!((&list[5].value, &list[7].value), (&Value::Real(1e20), &Value::Real(1.0)));
        assert_eq!(list[6].value, Value::Text("7".into()));
    }

    #[test]
    fn tags_and_second_documents_are_refused() {
        assert_eq!(parse("a: !secret x").unwrap_err().message, "a tag such as `!name`, expected a plain value");
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap_err().message, "more than one document, expected one");
    }

    #[test]
    fn an_alias_bomb_stops_at_the_cap() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..30 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let message = parse(&bomb).unwrap_err().message;
        assert!(message.contains("more than 50000 values") || message.contains("repetition limit"), "{message}");
    }
}

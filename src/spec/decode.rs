//! Readers of single values and of maps with known fields. Each says what it found and what it expected.

use super::error::Complaint;
use super::yaml::{Node, Place, Value};
use crate::nearest::{expected, nearest};

/// Result of reading a part of the tree.
pub type Read<T> = Result<T, Complaint>;

/// A field of a map: its name, and what it takes, for hints (`a number or a list of numbers`).
pub type Known = (&'static str, &'static str);

/// What stands in a node, in words short enough for a message.
pub fn found(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".into(),
        Value::Flag(flag) => format!("`{flag}`"),
        Value::Whole(number) => format!("`{number}`"),
        Value::Real(number) => format!("`{number}`"),
        Value::Text(text) => format!("text `{}`", shortened(text)),
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a map".into(),
    }
}

/// Text fit for a message: one line, 60 characters at most.
pub fn shortened(text: &str) -> String {
    let plain: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > 60 { format!("{plain}…") } else { plain }
}

/// The complaint that `path` is not what was expected.
pub fn invalid(node: &Node, path: &str, expected: &str) -> Complaint {
    let complaint = Complaint::new(node.place, format!("invalid `{path}`: found {}, expected {expected}", found(node)));
    match &node.value {
        Value::Text(text) => complaint.underlining(text),
        Value::Whole(number) => complaint.underlining(&number.to_string()),
        _ => complaint,
    }
}

/// `train.epochs` from `train` and `epochs`; the root has an empty path.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// One entry of a map.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its key.
    pub key: &'a str,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub node: &'a Node,
}

/// The entries of a map with free keys, in document order; duplicates and keys that are not text are refused.
pub fn entries<'a>(node: &'a Node, path: &str, expected: &str) -> Read<Vec<Entry<'a>>> {
    let Value::Map(map) = &node.value else { return Err(invalid(node, path, expected)) };
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(map.len());
    let mut seen = std::collections::BTreeMap::new();
    for (key, value) in map {
        let Value::Text(name) = &key.value else {
            return Err(Complaint::new(key.place, format!("found {} as a key, expected a name", found(key))));
        };
        if let Some(first) = seen.insert(name, key.place) {
            let message = format!("duplicate field `{}`", shortened(&join(path, name)));
            return Err(Complaint::new(key.place, message).underlining(name).after(first));
        }
        entries.push(Entry { key: name, place: key.place, node: value });
    }
    Ok(entries)
}

/// A map whose fields are known.
#[derive(Debug)]
pub struct Fields<'a> {
    path: String,
    place: Place,
    entries: Vec<Entry<'a>>,
}

impl<'a> Fields<'a> {
    /// Reads a map, refusing every field that is not in `known`.
    pub fn read(node: &'a Node, path: &str, known: &[Known]) -> Read<Self> {
        let entries = entries(node, if path.is_empty() { "experiment" } else { path }, "a map of fields")?;
        for entry in &entries {
            if !known.iter().any(|(name, _)| *name == entry.key) {
                return Err(unknown_field(entry, path, known));
            }
        }
        Ok(Fields { path: path.into(), place: node.place, entries })
    }

    /// The entries in document order.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == name).map(|entry| entry.node)
    }

    /// The value of a field that must be there.
    pub fn require(&self, name: &str) -> Read<&'a Node> {
        let missing = || Complaint::new(self.place, format!("missing field `{}`", join(&self.path, name)));
        self.get(name).ok_or_else(missing)
    }
}

fn unknown_field(entry: &Entry<'_>, path: &str, known: &[Known]) -> Complaint {
    let names = known.iter().map(|(name, _)| *name);
    let full = shortened(&join(path, entry.key));
    let message = format!("unknown field `{full}`, {}", expected(entry.key, names.clone()));
    let complaint = Complaint::new(entry.place, message).underlining(entry.key);
    match nearest(entry.key, names).and_then(|name| known.iter().find(|(known, _)| *known == name)) {
        Some((name, takes)) => complaint.hint(format!("`{}` is {takes}", join(path, name))),
        None => complaint,
    }
}

/// Longest list: all are compared with all, and no experiment names this many of anything.
pub const MAX_ITEMS: usize = 1000;

/// The elements of a list, or the value itself as a list of one; never empty.
pub fn items<'a>(node: &'a Node, path: &str) -> Read<Vec<&'a Node>> {
    match &node.value {
        Value::List(list) if list.is_empty() => Err(Complaint::new(
            node.place,
            format!("invalid `{path}`: found an empty list, expected at least one value"),
        )),
        Value::List(list) if list.len() > MAX_ITEMS => {
            let message = format!("invalid `{path}`: found {} values, expected at most {MAX_ITEMS}", list.len());
            Err(Complaint::new(node.place, message))
        }
        Value::List(list) => Ok(list.iter().collect()),
        _ => Ok(vec![node]),
    }
}

/// Each element read, duplicates refused.
pub fn distinct<T: PartialEq>(node: &Node, path: &str, mut read: impl FnMut(&Node) -> Read<T>) -> Read<Vec<T>> {
    let mut values: Vec<T> = Vec::new();
    let elements = items(node, path)?;
    for element in &elements {
        let value = read(element)?;
        if let Some(earlier) = values.iter().position(|known| *known == value) {
            let complaint = Complaint::new(element.place, format!("duplicate {} in `{path}`", found(element)));
            return Err(complaint.after(elements[earlier].place));
        }
        values.push(value);
    }
    Ok(values)
}

/// Text that is not empty.
pub fn text<'a>(node: &'a Node, path: &str, expected: &str) -> Read<&'a str> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(invalid(node, path, expected)),
    }
}

/// `true` or `false`.
pub fn flag(node: &Node, path: &str) -> Read<bool> {
    match node.value {
        Value::Flag(flag) => Ok(flag),
        _ => Err(invalid(node, path, "`true` or `false`")),
    }
}

/// A whole number in a range, ends included.
pub fn whole(node: &Node, path: &str, min: u64, max: u64) -> Read<u64> {
    let number = match node.value {
        Value::Whole(number) => u64::try_from(number).ok(),
        // `3.0` is 3; anything else with a fraction is refused.
        Value::Real(number) if number.fract() == 0.0 && (0.0..9e15).contains(&number) => Some(number as u64),
        _ => None,
    };
    let expected = format!("a whole number from {min} to {max}");
    number.filter(|number| (min..=max).contains(number)).ok_or_else(|| invalid(node, path, &expected))
}

/// A finite number in a range; `words` says the range.
pub fn real(node: &Node, path: &str, inside: impl Fn(f64) -> bool, words: &str) -> Read<f64> {
    let number = match node.value {
        Value::Whole(number) => Some(number as f64),
        Value::Real(number) => Some(number),
        _ => None,
    };
    number.filter(|number| number.is_finite() && inside(*number)).ok_or_else(|| invalid(node, path, words))
}

/// One of some words.
pub fn word<'w>(node: &Node, path: &str, words: &[&'w str]) -> Read<&'w str> {
    let Value::Text(text) = &node.value else {
        return Err(invalid(node, path, expected("", words.iter().copied()).trim_start_matches("expected ")));
    };
    words.iter().copied().find(|word| word == text).ok_or_else(|| {
        let expected = expected(text, words.iter().copied());
        let message = format!("invalid `{path}`: found `{}`, {expected}", shortened(text));
        Complaint::new(node.place, message).underlining(text)
    })
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    fn message<T: std::fmt::Debug>(result: Read<T>) -> String {
        result.unwrap_err().message
    }

    #[test]
    fn numbers_out_of_range_and_not_numbers_are_refused() {
        let node = |source: &str| parse(source).unwrap();
        assert_eq!(whole(&node("3.0"), "x", 1, 9), Ok(3));
        assert_eq!(
            message(whole(&node("0"), "x", 1, 9)),
            "invalid `x`: found `0`, expected a whole number from 1 to 9"
        );
        assert!(whole(&node("2.5"), "x", 1, 9).is_err());
        assert!(whole(&node("-1"), "x", 0, 9).is_err());
        for bad in [".nan", ".inf", "-.inf", "yes", "'1'"] {
            assert!(real(&node(bad), "x", |_| true, "a number").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_alone_is_a_list_of_one_and_an_empty_list_is_refused() {
        assert_eq!(items(&parse("7").unwrap(), "x").unwrap().len(), 1);
        assert!(message(items(&parse("[]").unwrap(), "x")).contains("empty list"));
    }

    #[test]
    fn a_word_is_matched_exactly_and_the_nearest_is_named() {
        let node = parse("constan").unwrap();
        let words = ["constant", "linear"];
        assert_eq!(message(word(&node, "x", &words)), "invalid `x`: found `constan`, expected `constant`");
        let number = parse("1").unwrap();
        assert_eq!(message(word(&number, "x", &words)), "invalid `x`: found `1`, expected one of `constant`, `linear`");
    }

    #[test]
    fn the_same_number_written_twice_is_a_duplicate() {
        let list = parse("[5e-5, 0.00005]").unwrap();
        let read = distinct(&list, "x", |node| real(node, "x", |_| true, "a number"));
        assert_eq!(message(read), "duplicate `0.00005` in `x`");
    }
}

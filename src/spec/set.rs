//! `--set key=value`: a value laid over the file's tree before anything is checked, so that it passes the same checks.
//!
//! The value is YAML (`--set 'seeds=[1, 2]'`); dots separate the levels of the key. A key that is not there yet is added,
//! and then known or refused like one in the file. Values given later win.

use super::source;
use super::yaml::{self, Node, Place, Value};

/// Lays one argument over the tree; else says what was expected of it.
pub fn apply(root: &mut Node, argument: &str, index: usize) -> Result<(), String> {
    let (key, value) = argument.split_once('=').ok_or("expected `key=value`")?;
    let names: Vec<&str> = key.trim().split('.').collect();
    if names.iter().any(|name| name.is_empty()) || names.len() > source::MAX_DEPTH {
        return Err("expected a key such as `train.epochs` before `=`".into());
    }
    let text = source::text(value.as_bytes().to_vec()).map_err(|refusal| refusal.message)?;
    let mut value = if text.trim().is_empty() { Ok(null(index)) } else { yaml::parse(&text) }
        .map_err(|malformed| format!("not valid YAML: {}", malformed.message))?;
    relocate(&mut value, index);
    put(root, &names, value, index);
    Ok(())
}

fn null(index: usize) -> Node {
    Node { value: Value::Null, place: Place::Set(index) }
}

/// Gives a parsed value, and all in it, the place of the argument.
fn relocate(node: &mut Node, index: usize) {
    node.place = Place::Set(index);
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(|element| relocate(element, index)),
        Value::Map(map) => map.iter_mut().for_each(|(key, value)| {
            relocate(key, index);
            relocate(value, index);
        }),
        _ => {}
    }
}

/// Sets the value at a path. Whatever is in the way and is no map is replaced by one.
fn put(node: &mut Node, names: &[&str], value: Node, index: usize) {
    let Some((name, rest)) = names.split_first() else {
        *node = value;
        return;
    };
    if !matches!(node.value, Value::Map(_)) {
        *node = Node { value: Value::Map(Vec::new()), place: Place::Set(index) };
    }
    let Value::Map(map) = &mut node.value else { return };
    let key = Value::Text((*name).into());
    let entry = match map.iter().position(|(known, _)| known.value == key) {
        Some(entry) => entry,
        None => {
            map.push((Node { value: key, place: Place::Set(index) }, null(index)));
            map.len() - 1
        }
    };
    put(&mut map[entry].1, rest, value, index);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(source: &str, argument: &str) -> Node {
        let mut root = yaml::parse(source).unwrap();
        apply(&mut root, argument, 0).unwrap();
        root
    }

    fn at<'a>(node: &'a Node, name: &str) -> &'a Node {
        let Value::Map(map) = &node.value else { panic!("no map") };
        &map.iter().find(|(key, _)| key.value == Value::Text(name.into())).unwrap().1
    }

    #[test]
    fn a_value_is_replaced_or_added_and_knows_its_argument() {
        let root = set("train: {epochs: 3}\n", "train.epochs=1");
        assert_eq!(*at(at(&root, "train"), "epochs"), Node { value: Value::Whole(1), place: Place::Set(0) });
        let root = set("name: x\n", "train.epochs=[1, 2]");
        assert!(matches!(at(at(&root, "train"), "epochs").value, Value::List(_)));
    }

    #[test]
    fn an_equals_sign_may_be_part_of_the_value() {
        assert_eq!(at(&set("a: 1", "a=b=c"), "a").value, Value::Text("b=c".into()));
    }

    #[test]
    fn what_is_no_key_and_value_is_refused() {
        let mut root = yaml::parse("a: 1").unwrap();
        for argument in ["a", "=1", "a..b=1", "a=[1", "a=\u{0}"] {
            assert!(apply(&mut root, argument, 0).is_err(), "{argument}");
        }
        assert!(apply(&mut root, &format!("a={}", "[".repeat(100_000)), 0).is_err());
    }
}

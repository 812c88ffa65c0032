//! The nearest right name: what someone who mistyped a name most likely meant, in a spec, a flag or a claim.

/// Edits that turn one word into another: insertions, deletions, substitutions, and swaps of neighbours (optimal string
/// alignment), each costing 1.
pub fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]));
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

/// The name nearest to `found`, if it is near: no more edits than a third of the longer word, and at least one allowed.
/// Of equally near names the first wins. Case and `-` against `_` cost nothing.
pub fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // No name we know is this long, and the distance is quadratic.
    if found.len() > 100 {
        return None;
    }
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    let (_, name) = names
        .into_iter()
        .map(|name| (distance(&plain(found), &plain(name)), name))
        .filter(|(edits, name)| *edits <= (found.chars().count().max(name.chars().count()) / 3).max(1))
        .min_by_key(|(edits, _)| *edits)?;
    Some(name)
}

/// What was expected, in words: the nearest name in backticks, else all of them.
pub fn expected<'a>(found: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(found, names.clone()) {
        Some(name) => format!("expected `{name}`"),
        None => {
            let all: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
            format!("expected {}{}", if all.len() > 1 { "one of " } else { "" }, all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_counted_by_hand() {
        assert_eq!(distance("epoch", "epochs"), 1);
        assert_eq!(distance("mrcp", "mrpc"), 1); // one swap
        assert_eq!(distance("kitten", "sitting"), 3); // k→s, e→i, +g
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn only_a_near_name_is_proposed() {
        assert_eq!(nearest("epoch", ["name", "epochs"]), Some("epochs"));
        assert_eq!(nearest("learning-Rate", ["learning_rate"]), Some("learning_rate"));
        assert_eq!(nearest("banana", ["name", "epochs"]), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), ["x"]), None);
    }

    #[test]
    fn all_names_are_listed_where_none_is_near() {
        assert_eq!(expected("banana", ["cola", "rte"]), "expected one of `cola`, `rte`");
        assert_eq!(expected("colo", ["cola", "rte"]), "expected `cola`");
    }
}

//! The nearest right name to a wrong one, for error messages.

/// The candidate with the fewest edits to `name`, if it is near enough to be meant: a third of its length.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase();
    let (edits, best) = candidates
        .into_iter()
        .map(|candidate| (edit_distance(&wanted, &candidate.to_lowercase()), candidate))
        .min_by_key(|(edits, _)| *edits)?;
    (edits * 3 <= best.chars().count().max(3)).then(|| best.to_string())
}

/// `, did you mean …` or nothing.
pub(super) fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(", did you mean `{name}`")).unwrap_or_default()
}

/// Levenshtein distance: insertions, deletions and substitutions of characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook example: k→s, e→i, and a g.
    #[test]
    fn kitten_is_three_edits_from_sitting() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        assert_eq!(nearest("mrcp.f1", ["mrpc.f1", "qqp.f1"]), Some("mrpc.f1".to_string()));
        assert_eq!(nearest("bert_base", ["BERT_BASE"]), Some("BERT_BASE".to_string()));
        assert_eq!(nearest("unrelated", ["mrpc.f1", "qqp.f1"]), None);
    }
}

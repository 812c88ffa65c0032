//! Entity F1 as CoNLL-2003's `conlleval` counts it: an entity is right if its type, first and last token all are.
//!
//! The chunk rules need no declared scheme: `B` and `S` always begin an entity, `E` and `S` always end one, and so
//! does a change of type. IOB1, IOB2 and IOBES so give the same entities, and an `I` after `O` begins one although
//! IOB2 would not write it. On `B`, `I` and `O` these are `conlleval`'s rules. It has some of `E` too, but none of `S`, and
//! does not part `E-X` from a `B-X` after it; so in IOBES the rules are `seqeval`'s.

use std::fmt;

/// A tagged stretch of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity<'a> {
    /// First token.
    pub first: usize,
    /// Last token, inclusive.
    pub last: usize,
    /// Type: `PER`; empty where tags carry none.
    pub kind: &'a str,
}

/// A tag that is neither `O` nor one of `B`, `I`, `E`, `S` with an optional `-TYPE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown tag `{0}`, expected `O` or `B-TYPE`, `I-TYPE`, `E-TYPE`, `S-TYPE`")]
pub struct UnknownTag(pub String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Outside,
    Begin,
    Inside,
    End,
    Single,
}

/// How many entities are right, predicted and gold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntityCounts {
    /// Predicted entities that are gold.
    pub right: usize,
    /// Predicted entities.
    pub predicted: usize,
    /// Gold entities.
    pub gold: usize,
}

impl EntityCounts {
    /// Counts of one sentence. Entities of a sentence are sorted and do not overlap.
    pub fn of_sentence<S: AsRef<str>>(predicted: &[S], gold: &[S]) -> Result<Self, UnknownTag> {
        let (predicted, gold) = (entities(predicted)?, entities(gold)?);
        let right = predicted.iter().filter(|entity| gold.binary_search(entity).is_ok()).count();
        Ok(EntityCounts { right, predicted: predicted.len(), gold: gold.len() })
    }

    /// Adds a sentence, `times` times.
    pub fn add(&mut self, sentence: EntityCounts, times: usize) {
        self.right += times * sentence.right;
        self.predicted += times * sentence.predicted;
        self.gold += times * sentence.gold;
    }

    /// The sum over sentences.
    pub fn total(sentences: &[EntityCounts]) -> EntityCounts {
        let mut total = EntityCounts::default();
        sentences.iter().for_each(|sentence| total.add(*sentence, 1));
        total
    }

    /// Harmonic mean of precision and recall; 0 without an entity on either side.
    pub fn f1(&self) -> f64 {
        match self.predicted + self.gold {
            0 => 0.0,
            both => 2.0 * self.right as f64 / both as f64,
        }
    }
}

impl fmt::Display for EntityCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} right of {} predicted and {} gold entities", self.right, self.predicted, self.gold)
    }
}

/// The entities of a sentence, in order.
pub fn entities<S: AsRef<str>>(tags: &[S]) -> Result<Vec<Entity<'_>>, UnknownTag> {
    let mut found: Vec<Entity> = Vec::new();
    let mut previous = (Prefix::Outside, "");
    for (position, tag) in tags.iter().enumerate() {
        let (prefix, kind) = parse(tag.as_ref())?;
        if begins(previous, (prefix, kind)) {
            found.push(Entity { first: position, last: position, kind });
        } else if let (true, Some(open)) = (prefix != Prefix::Outside, found.last_mut()) {
            // whatever is inside and begins nothing goes on with what is open
            open.last = position;
        }
        previous = (prefix, kind);
    }
    Ok(found)
}

fn parse(tag: &str) -> Result<(Prefix, &str), UnknownTag> {
    let (prefix, kind) = tag.split_once('-').unwrap_or((tag, ""));
    match prefix {
        "O" => Ok((Prefix::Outside, "")),
        "B" => Ok((Prefix::Begin, kind)),
        "I" => Ok((Prefix::Inside, kind)),
        "E" => Ok((Prefix::End, kind)),
        "S" => Ok((Prefix::Single, kind)),
        _ => Err(UnknownTag(tag.to_string())),
    }
}

/// Whether a tag begins an entity, given the one before it.
fn begins(previous: (Prefix, &str), current: (Prefix, &str)) -> bool {
    match current.0 {
        Prefix::Outside => false,
        Prefix::Begin | Prefix::Single => true,
        Prefix::Inside | Prefix::End => {
            matches!(previous.0, Prefix::Outside | Prefix::End | Prefix::Single) || previous.1 != current.1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(tags: &str) -> Vec<(usize, usize, String)> {
        let tags: Vec<&str> = tags.split(' ').collect();
        entities(&tags).unwrap().iter().map(|e| (e.first, e.last, e.kind.to_string())).collect()
    }

    fn counts(predicted: &str, gold: &str) -> EntityCounts {
        let [predicted, gold] = [predicted, gold].map(|tags| tags.split(' ').collect::<Vec<_>>());
        EntityCounts::of_sentence(&predicted, &gold).unwrap()
    }

    #[test]
    fn the_three_schemes_name_the_same_entities() {
        let expected = vec![(0, 1, "PER".into()), (2, 2, "PER".into()), (4, 4, "LOC".into())];
        assert_eq!(spans("I-PER I-PER B-PER O I-LOC"), expected, "IOB1");
        assert_eq!(spans("B-PER I-PER B-PER O B-LOC"), expected, "IOB2");
        assert_eq!(spans("B-PER E-PER S-PER O S-LOC"), expected, "IOBES");
    }

    #[test]
    fn a_change_of_type_begins_an_entity_whatever_the_prefix() {
        assert_eq!(spans("B-PER I-ORG I-ORG"), vec![(0, 0, "PER".into()), (1, 2, "ORG".into())]);
    }

    #[test]
    fn an_end_or_a_single_closes_its_entity() {
        assert_eq!(spans("E-PER E-PER I-PER").len(), 3);
        assert_eq!(spans("S-PER I-PER O I-PER").len(), 3);
    }

    #[test]
    fn an_entity_is_right_only_as_a_whole() {
        // gold PER(0–1), LOC(3); predicted PER(0), LOC(3), ORG(4): one right of three and two, F1 = 2·1/5
        let counts = counts("B-PER O O B-LOC B-ORG", "B-PER I-PER O B-LOC O");
        assert_eq!(counts, EntityCounts { right: 1, predicted: 3, gold: 2 });
        assert_eq!(counts.f1(), 0.4);
    }

    #[test]
    fn types_may_contain_hyphens_or_be_absent() {
        assert_eq!(spans("B-a-b I-a-b O B I"), vec![(0, 1, "a-b".into()), (3, 4, String::new())]);
    }

    #[test]
    fn no_entities_score_zero_and_unknown_tags_are_named() {
        assert_eq!(counts("O O", "O O").f1(), 0.0);
        assert_eq!(entities(&["O", "X-PER"]).unwrap_err(), UnknownTag("X-PER".into()));
    }
}

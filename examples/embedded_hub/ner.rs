//! Made-up CoNLL-2003: sentences of the news, each token with its IOB2 tag.
//!
//! A word alone decides little: `Washington` is a person, a town, a club that plays, or part of a firm's name.

use crate::dice::Dice;
use crate::entities::{city, club, event, location, miscellany, nation, organisation, person, river, surname};
use crate::entity_words::{FRAMES, NOUNS, ROLES, SCORES, TIMES};
use crate::frames::capitalised;

/// Tags in the order of the hub's `conll2003`.
pub const TAGS: [&str; 9] = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"];

/// The first tag of each type; the one inside follows it.
#[derive(Clone, Copy)]
enum Kind {
    Person = 1,
    Organisation = 3,
    Location = 5,
    Miscellany = 7,
}

/// One sentence; each tag is an index of `TAGS`.
pub struct Tagged {
    pub tokens: Vec<String>,
    pub tags: Vec<usize>,
    /// The tokens with spaces, for keeping splits apart.
    pub sentences: Vec<String>,
}

/// A tagged sentence.
pub fn ner(dice: &mut Dice) -> Tagged {
    let mut tagged = Tagged { tokens: Vec::new(), tags: Vec::new(), sentences: Vec::new() };
    let mut names = Vec::new();
    for part in dice.word(FRAMES).split(' ') {
        let (text, kind) = filled(dice, part, &mut names);
        tagged.push(&text, kind);
    }
    tagged.tokens[0] = capitalised(&tagged.tokens[0]);
    tagged.sentences = vec![tagged.tokens.join(" ")];
    tagged
}

impl Tagged {
    fn push(&mut self, text: &str, kind: Option<Kind>) {
        if let (Some(name), Some(_)) = (text.strip_prefix("the "), kind) {
            self.push("the", None);
            return self.push(name, kind);
        }
        for (index, token) in text.split(' ').enumerate() {
            self.tokens.push(token.to_string());
            self.tags.push(kind.map_or(0, |kind| kind as usize + usize::from(index > 0)));
        }
    }
}

/// A slot's text and type, or the word itself; no name comes twice in a sentence.
fn filled(dice: &mut Dice, part: &str, names: &mut Vec<String>) -> (String, Option<Kind>) {
    loop {
        let (text, kind) = slot(dice, part);
        if kind.is_none() || !names.contains(&text) {
            names.push(text.clone());
            return (text, kind);
        }
    }
}

fn slot(dice: &mut Dice, part: &str) -> (String, Option<Kind>) {
    match part {
        "{PER}" => (person(dice), Some(Kind::Person)),
        "{SURNAME}" => (surname(dice).to_string(), Some(Kind::Person)),
        "{LOC}" => (location(dice), Some(Kind::Location)),
        "{RIVER}" => (river(dice), Some(Kind::Location)),
        "{CITY}" => (city(dice).to_string(), Some(Kind::Location)),
        "{ORG}" => (organisation(dice), Some(Kind::Organisation)),
        "{CLUB}" => (club(dice), Some(Kind::Organisation)),
        "{MISC}" => (miscellany(dice), Some(Kind::Miscellany)),
        "{NATION}" => (nation(dice).to_string(), Some(Kind::Miscellany)),
        "{EVENT}" => (event(dice), Some(Kind::Miscellany)),
        "{time}" => (dice.word(TIMES).to_string(), None),
        "{score}" => (dice.word(SCORES).to_string(), None),
        "{role}" => (dice.word(ROLES).to_string(), None),
        "{noun}" => (dice.word(NOUNS).to_string(), None),
        word => (word.to_string(), None),
    }
}

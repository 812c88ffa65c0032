//! Made-up rows for four GLUE tasks, in GLUE's own columns.
//!
//! What decides a label: SST-2, the adjective, turned round by a negation, and the second half where a `but` stands;
//! CoLA, agreement in number and word order; MRPC and STS-B, which of five facts two sentences share, however they are
//! worded.

use crate::dice::Dice;
use crate::words::{
    ACTIONS, ACTORS, AGREEING, BLAME, DETERMINERS, DISLIKED, INTENSIFIERS, LIKED, MANNERS, PEOPLE, PLACES, PRAISE,
    QUALITIES, THINGS, WHERE, WORKS,
};

/// One row: its sentences and its label (a class index, or a similarity from 0 to 5).
pub struct Row {
    pub sentences: Vec<String>,
    pub label: f64,
}

/// Sentiment of a sentence about a film; label 1 is `positive`.
pub fn sst2(dice: &mut Dice) -> Row {
    let positive = dice.chance(0.5);
    let sentence = match dice.below(4) {
        0 => opinion(dice, positive),
        1 => format!("{} , but {}", opinion(dice, !positive), opinion(dice, positive)),
        2 => format!("{} and {}", opinion(dice, positive), opinion(dice, positive)),
        _ => reaction(dice, positive),
    };
    Row { sentences: vec![format!("{sentence} .")], label: f64::from(u8::from(positive)) }
}

/// `the plot is very dull`, or its like by way of a negation: `the plot is not funny`.
fn opinion(dice: &mut Dice, positive: bool) -> String {
    let work = dice.pick(WORKS);
    let negated = dice.chance(0.3);
    let adjective = dice.pick(if positive != negated { PRAISE } else { BLAME });
    let adverb = if negated { dice.pick(&["not", "never", "hardly"]) } else { dice.pick(INTENSIFIERS) };
    format!("the {work} is {adverb} {adjective}")
}

fn reaction(dice: &mut Dice, positive: bool) -> String {
    let (verb, adjective) = if positive { (LIKED, PRAISE) } else { (DISLIKED, BLAME) };
    format!("i {} the {} {}", dice.pick(verb), dice.pick(adjective), dice.pick(WORKS))
}

/// Acceptability; label 1 is `acceptable`, for two rows of three, as in CoLA.
pub fn cola(dice: &mut Dice) -> Row {
    let number = dice.below(2);
    let acceptable = dice.chance(0.65);
    let fault = if acceptable { 3 } else { dice.below(3) };
    let subject = *dice.pick_entry(ACTORS);
    let determiner = dice.pick_entry(DETERMINERS)[number];
    let verb = dice.pick_entry(AGREEING)[if fault == 0 { 1 - number } else { number }];
    let noun = subject[number];
    let manner = dice.pick(MANNERS);
    let place = dice.pick(WHERE);
    let sentence = match fault {
        1 => format!("{noun} {determiner} {manner} {verb} {place}"),
        2 => format!("{determiner} {verb} {noun} {place} {manner}"),
        _ if dice.chance(0.5) => format!("{determiner} {noun} {verb} {manner} {place}"),
        _ => format!("{determiner} {noun} {manner} {verb} {place}"),
    };
    Row { sentences: vec![capitalised(&sentence) + "."], label: f64::from(u8::from(acceptable)) }
}

/// Five facts that a sentence tells; each number indexes a table of `words`.
#[derive(Clone, Copy)]
struct Facts {
    person: usize,
    action: usize,
    quality: usize,
    thing: usize,
    place: usize,
}

impl Facts {
    fn throw(dice: &mut Dice) -> Self {
        Facts {
            person: dice.below(PEOPLE.len()),
            action: dice.below(ACTIONS.len()),
            quality: dice.below(QUALITIES.len()),
            thing: dice.below(THINGS.len()),
            place: dice.below(PLACES.len()),
        }
    }

    /// Another value for the fact of this number.
    fn change(&mut self, dice: &mut Dice, fact: usize) {
        match fact {
            0 => self.person = dice.other(PEOPLE.len(), self.person),
            1 => self.action = dice.other(ACTIONS.len(), self.action),
            2 => self.quality = dice.other(QUALITIES.len(), self.quality),
            3 => self.thing = dice.other(THINGS.len(), self.thing),
            _ => self.place = dice.other(PLACES.len(), self.place),
        }
    }

    /// A sentence that tells them, worded by chance; `wording` 1 takes the synonyms.
    fn tell(&self, dice: &mut Dice, wording: usize, denied: bool) -> String {
        let action = &ACTIONS[self.action];
        let verb = if denied { format!("did not {}", action.base[wording]) } else { action.past[wording].to_string() };
        let (person, place) = (PEOPLE[self.person], PLACES[self.place]);
        let object = format!("the {} {}", QUALITIES[self.quality][wording], THINGS[self.thing][wording]);
        if dice.chance(0.5) {
            format!("{person} {verb} {object} in {place} .")
        } else {
            format!("In {place} , {person} {verb} {object} .")
        }
    }
}

/// Paraphrase or not; label 1 is `equivalent`. Of the others, two of three deny the first sentence, which a glance shows,
/// and the rest change one fact, which needs a comparison.
pub fn mrpc(dice: &mut Dice) -> Row {
    let facts = Facts::throw(dice);
    let equivalent = dice.chance(0.6);
    let denied = !equivalent && dice.chance(0.67);
    let mut second = facts;
    if !equivalent && !denied {
        let fact = dice.below(5);
        second.change(dice, fact);
    }
    let sentences = vec![facts.tell(dice, 0, false), second.tell(dice, 1, denied)];
    Row { sentences, label: f64::from(u8::from(equivalent)) }
}

/// Graded similarity: 5 less one for each fact that differs.
pub fn stsb(dice: &mut Dice) -> Row {
    let facts = Facts::throw(dice);
    let shared = dice.below(6);
    let mut second = facts;
    for fact in shared..5 {
        second.change(dice, fact);
    }
    let wording = dice.below(2);
    let sentences = vec![facts.tell(dice, 0, false), second.tell(dice, wording, false)];
    Row { sentences, label: shared as f64 }
}

fn capitalised(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

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

/// Five facts that a sentence tells; each number indexes a table of `words`, `None` is told vaguely (`someone`).
#[derive(Clone, Copy)]
struct Facts {
    person: Option<usize>,
    action: Option<usize>,
    quality: Option<usize>,
    thing: Option<usize>,
    place: Option<usize>,
}

impl Facts {
    fn throw(dice: &mut Dice) -> Self {
        Facts {
            person: Some(dice.below(PEOPLE.len())),
            action: Some(dice.below(ACTIONS.len())),
            quality: Some(dice.below(QUALITIES.len())),
            thing: Some(dice.below(THINGS.len())),
            place: Some(dice.below(PLACES.len())),
        }
    }

    /// Makes the fact of this number vague, or gives it another value.
    fn change(&mut self, dice: &mut Dice, fact: usize, vague: bool) {
        let (value, size) = match fact {
            0 => (&mut self.person, PEOPLE.len()),
            1 => (&mut self.action, ACTIONS.len()),
            2 => (&mut self.quality, QUALITIES.len()),
            3 => (&mut self.thing, THINGS.len()),
            _ => (&mut self.place, PLACES.len()),
        };
        *value = value.filter(|_| !vague).map(|taken| dice.other(size, taken));
    }

    /// A sentence that tells them, in one of two orders; `wording` 1 takes the synonyms.
    fn tell(&self, dice: &mut Dice, wording: usize, denied: bool) -> String {
        let person = self.person.map_or("someone", |index| PEOPLE[index]);
        let place = self.place.map_or("somewhere".to_string(), |index| format!("in {}", PLACES[index]));
        let quality = self.quality.map_or("certain", |index| QUALITIES[index][wording]);
        let thing = self.thing.map_or("thing", |index| THINGS[index][wording]);
        let clause = format!("{person} {} the {quality} {thing}", self.verb(wording, denied));
        let sentence = if dice.chance(0.5) { format!("{clause} {place} .") } else { format!("{place} , {clause} .") };
        capitalised(&sentence)
    }

    fn verb(&self, wording: usize, denied: bool) -> String {
        match self.action.map(|index| &ACTIONS[index]) {
            Some(action) if denied => format!("did not {}", action.base[wording]),
            Some(action) => action.past[wording].to_string(),
            None => "did something with".to_string(),
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
        second.change(dice, fact, false);
    }
    let sentences = vec![facts.tell(dice, 0, false), second.tell(dice, 1, denied)];
    Row { sentences, label: f64::from(u8::from(equivalent)) }
}

/// Graded similarity: 5 less one for each fact that the second sentence lacks. Of these, four of five are only vague,
/// which a word shows, and the rest are others, which needs a comparison.
pub fn stsb(dice: &mut Dice) -> Row {
    let facts = Facts::throw(dice);
    let lacking = dice.below(6);
    let mut second = facts;
    for fact in dice.distinct(5, lacking) {
        let vague = dice.chance(0.8);
        second.change(dice, fact, vague);
    }
    let wording = dice.below(2);
    let sentences = vec![facts.tell(dice, 0, false), second.tell(dice, wording, false)];
    Row { sentences, label: (5 - lacking) as f64 }
}

fn capitalised(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

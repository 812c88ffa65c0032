//! Made-up RTE: a longer text, and a shorter sentence that follows from it or does not.
//!
//! What does not follow mixes up two events of the text, denies one, or takes for done what was only hoped for.

use crate::dice::Dice;
use crate::entailment::{BRIEF, entailed};
use crate::facts::{Clause, DENIED, Event, FULL};
use crate::frames::{fill, sentence};
use crate::glue::Row;
use crate::words::{VILLAGE, Words};

/// Verbs after which the deed was done.
const DONE: Words = &[
    "managed to",
    "was able to",
    "took care to",
    "did not fail to",
    "was clever enough to",
    "had the luck to",
    "did not forget to",
    "found the time to",
];

/// Verbs after which it was not, or perhaps not.
const UNDONE: Words = &[
    "failed to",
    "refused to",
    "hoped to",
    "was not able to",
    "planned to",
    "forgot to",
    "was asked to",
    "did not find the time to",
];

const ATTEMPTS: Words = &[
    "{agent} {verb} {base} the {thing} {there}",
    "{there} , {agent} {verb} {base} the {thing}",
    "{there} it was {agent} who {verb} {base} the {thing}",
    "it is said that {there} {agent} {verb} {base} the {thing}",
];

/// Entailment or not; label 1 is `not_entailment`.
pub fn rte(dice: &mut Dice) -> Row {
    let event = Event::throw(dice, &VILLAGE).in_short(dice);
    let other = distinct_from(dice, &event);
    let (words, other_words) = (event.words(dice), other.words(dice));
    let follows = dice.chance(0.5);
    let hedged = dice.chance(0.4);
    let first = match hedged {
        true => attempt(dice, &words, if follows { DONE } else { UNDONE }),
        false => words.tell(dice, FULL),
    };
    let hypothesis = match (follows, hedged) {
        (true, _) | (_, true) => entailed(dice, &event, &words),
        (false, false) => mistaken(dice, &event, &other, &words),
    };
    let second = other_words.tell(dice, FULL);
    let text = if dice.chance(0.5) { [first, second] } else { [second, first] }.map(|clause| sentence(&clause));
    Row::of_class(vec![text.join(" "), sentence(&hypothesis)], usize::from(!follows))
}

/// An event that differs in all that is told.
fn distinct_from(dice: &mut Dice, event: &Event) -> Event {
    event.facts().iter().fold(*event, |other, fact| other.changed(dice, &VILLAGE, *fact))
}

fn attempt(dice: &mut Dice, words: &Clause, verbs: Words) -> String {
    let verb = dice.word(verbs);
    fill(dice.word(ATTEMPTS), |slot| if slot == "verb" { verb.to_string() } else { words.slot(slot) })
}

/// The event with a fact of the other one, or denied.
fn mistaken(dice: &mut Dice, event: &Event, other: &Event, words: &Clause) -> String {
    if dice.chance(0.15) {
        return event.words_like(dice, words, 0.4).tell(dice, DENIED);
    }
    let mut mixed = *event;
    let slot = match dice.below(3) {
        0 => (mixed.agent = other.agent, "{agent}").1,
        1 => (mixed.thing = other.thing, "{thing}").1,
        _ => ((mixed.place, mixed.time) = (other.place, other.time), "{there}").1,
    };
    let frames: Vec<&str> = BRIEF.iter().chain(FULL).copied().filter(|frame| frame.contains(slot)).collect();
    mixed.words_like(dice, words, 0.4).tell(dice, &frames)
}

//! Made-up MNLI: half of it about quantities (`quantities`), half about events with more or fewer of their facts told.
//!
//! Train and the matched splits are of the village's genre, the mismatched ones of the state's: other words throughout
//! and a reporting clause before the premise.

use crate::dice::Dice;
use crate::facts::{Clause, DENIED, Event, FULL, Told};
use crate::frames::sentence;
use crate::glue::Row;
use crate::quantities;
use crate::words::{STATE, VILLAGE, Words, World};

/// Label names' indices, in the order of the hub; 1 is `neutral`.
const ENTAILMENT: usize = 0;
const CONTRADICTION: usize = 2;

/// Ways to leave some of the facts out; each fourth is held back from train.
pub const BRIEF: Words = &[
    "{agent} {past} the {thing}",
    "{agent} {past} the {thing} {there}",
    "the {thing} was {part} by {agent}",
    "the {thing} was {part} by {agent} {there}",
    "{there} , {agent} {past} the {thing}",
    "it was {agent} who {past} the {thing}",
    "{there} , the {thing} was {part} by {agent}",
    "it was {agent} who {past} the {thing} {there}",
];

const REPORTED: Words = &[
    "according to the record ,",
    "it is written that",
    "the historian tells us that",
    "the newspapers report that",
    "as every member knows ,",
    "the clerk has noted that",
    "in the official account ,",
    "the speaker says that",
];

/// Entailment, neutral or contradiction, by the splits' genre.
pub fn mnli(dice: &mut Dice) -> Row {
    // The hub's order: train, both matched and mismatched dev, both matched and mismatched test.
    let mismatched = matches!(dice.split(), 2 | 4);
    let world = if mismatched { &STATE } else { &VILLAGE };
    let label = dice.below(3);
    let [mut premise, hypothesis] = match dice.chance(0.5) {
        true => quantities::pair(dice, world, label),
        false => events(dice, world, label),
    };
    if mismatched {
        premise = format!("{} {premise}", dice.word(REPORTED));
    }
    Row::of_class(vec![sentence(&premise), sentence(&hypothesis)], label)
}

fn events(dice: &mut Dice, world: &'static World, label: usize) -> [String; 2] {
    let event = Event::throw(dice, world);
    let words = event.words(dice);
    match label {
        ENTAILMENT => [words.tell(dice, FULL), entailed(dice, &event, &words)],
        CONTRADICTION => [words.tell(dice, FULL), contradicted(dice, world, &event, &words)],
        _ => neutral(dice, world, &event, &words),
    }
}

/// Less than the event, or all of it in other words.
pub fn entailed(dice: &mut Dice, event: &Event, words: &Clause) -> String {
    let mut words = event.words_like(dice, words, 0.4);
    blur(dice, event, &mut words);
    if dice.chance(0.3) {
        return words.tell(dice, FULL);
    }
    shorten(dice, &mut words);
    words.tell(dice, BRIEF)
}

/// Of two circumstances, one.
fn shorten(dice: &mut Dice, words: &mut Clause) {
    if words.told == Told::Both {
        words.told = dice.pick(&[Told::Place, Told::Time]);
    }
}

/// At times, `the animal` for `the horse`, or `someone` for a person.
fn blur(dice: &mut Dice, event: &Event, words: &mut Clause) {
    if dice.chance(0.25) {
        words.thing = event.thing.kind;
    } else if dice.chance(0.15) {
        words.agent = "someone";
    }
}

/// More than the premise tells, or another deed by the same one.
fn neutral(dice: &mut Dice, world: &'static World, event: &Event, words: &Clause) -> [String; 2] {
    if dice.chance(0.4) {
        let mut other = event.changed(dice, world, 1).words_like(dice, words, 0.4);
        shorten(dice, &mut other);
        return [words.tell(dice, FULL), other.tell(dice, BRIEF)];
    }
    let mut vague = *words;
    blur(dice, event, &mut vague);
    shorten(dice, &mut vague);
    let premise = vague.tell(dice, BRIEF);
    [premise, event.words_like(dice, words, 0.4).tell(dice, FULL)]
}

/// Denied, or with another agent, place or time.
fn contradicted(dice: &mut Dice, world: &'static World, event: &Event, words: &Clause) -> String {
    if dice.chance(0.3) {
        return event.words_like(dice, words, 0.4).tell(dice, DENIED);
    }
    let (fact, slot, told) =
        dice.pick(&[(0, "{agent}", None), (4, "{there}", Some(Told::Place)), (5, "{there}", Some(Told::Time))]);
    let mut other = event.changed(dice, world, fact).words_like(dice, words, 0.4);
    match told {
        Some(told) if dice.chance(0.5) => other.told = told,
        Some(_) => {}
        None => shorten(dice, &mut other),
    }
    let frames: Vec<&str> = BRIEF.iter().chain(FULL).copied().filter(|frame| frame.contains(slot)).collect();
    other.tell(dice, &frames)
}

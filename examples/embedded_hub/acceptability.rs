//! Made-up CoLA: fourteen constructions, each in its right form and in one or two wrong ones.
//!
//! Two rows of three are acceptable, as in CoLA. Both forms use the same words wherever the fault allows, so that what
//! decides is which words stand together, and in which order.

use crate::acceptability_forms::{auxiliary, complement, inflection, pronouns, question, reflexive, tense};
use crate::acceptability_words::{
    ADJECTIVES, ATTRACTORS, BETWEEN, GRADES, MANNERS, OBJECTS, PERSONS, PLACES, RESTING, TAKING,
};
use crate::dice::Dice;
use crate::frames::sentence;
use crate::glue::Row;

/// Acceptability; label 1 is `acceptable`.
pub fn cola(dice: &mut Dice) -> Row {
    let good = dice.chance(0.66);
    let construction = match dice.below(14) {
        0 => attraction,
        1 => agreement,
        2 => determiner,
        3 => order,
        4 => polarity,
        5 | 6 => inflection,
        7 => comparison,
        8 => valency,
        9 => auxiliary,
        10 => complement,
        11 => pronouns,
        12 => question,
        _ => {
            if dice.chance(0.5) {
                reflexive
            } else {
                tense
            }
        }
    };
    let text = construction(dice, good);
    let text = sentence(&text).replace("?.", "?");
    Row::of_class(vec![text], usize::from(good))
}

/// `The keys to the cabinet are old`, with a noun of the other number before the verb.
fn attraction(dice: &mut Dice, good: bool) -> String {
    let number = dice.below(2);
    let things = dice.chance(0.5);
    let (noun, attractor) =
        (dice.word(if things { OBJECTS } else { PERSONS })[number], dice.word(ATTRACTORS)[1 - number]);
    let be = dice.pick(&[["is now", "are now"], ["was once", "were once"], ["has always been", "have always been"]]);
    let be = be[if good { number } else { 1 - number }];
    let adjective = if things { dice.word(ADJECTIVES) } else { dice.word(GRADES)[0] };
    format!("the {noun} {} the {attractor} {be} {adjective}", dice.word(BETWEEN))
}

/// `These farmers sing softly near the river`.
fn agreement(dice: &mut Dice, good: bool) -> String {
    let number = dice.below(2);
    let determiner = dice.pick(&[["this", "these"], ["that", "those"], ["every", "all"], ["one", "many"]])[number];
    let noun = dice.word(PERSONS)[number];
    let singular = (number == 0) == good;
    let verb = dice.word(RESTING)[usize::from(singular)];
    format!("{determiner} {noun} {} {verb} {}", dice.word(MANNERS), dice.word(PLACES))
}

/// `This farmer`, or `these farmer`.
fn determiner(dice: &mut Dice, good: bool) -> String {
    let number = dice.below(2);
    let noun = dice.word(OBJECTS)[number];
    let of = if good { number } else { 1 - number };
    let determiner = dice.pick(&[["this", "these"], ["that", "those"], ["a single", "several"]])[of];
    let (person, verb) = (dice.word(PERSONS)[dice.below(2)], dice.word(TAKING)[1]);
    format!("the {person} {verb} {determiner} {noun} {}", dice.word(PLACES))
}

/// Subject, verb, object, with two neighbours swapped if it is to be wrong.
fn order(dice: &mut Dice, good: bool) -> String {
    let subject = dice.word(PERSONS)[dice.below(2)];
    let (adjective, noun) = (dice.word(ADJECTIVES), dice.word(OBJECTS)[dice.below(2)]);
    let (verb, manner, place) = (dice.word(TAKING)[1], dice.word(MANNERS), dice.word(PLACES));
    match dice.below(if good { 1 } else { 4 }) + usize::from(!good) {
        0 => format!("the {subject} {manner} {verb} the {adjective} {noun} {place}"),
        1 => format!("the {subject} {manner} {verb} the {noun} {adjective} {place}"),
        2 => format!("the {subject} the {adjective} {noun} {manner} {verb} {place}"),
        3 => format!("{subject} the {manner} {verb} the {adjective} {noun} {place}"),
        _ => format!("the {subject} {verb} {manner} the {adjective} {noun} {place}"),
    }
}

/// `any` and `ever` need a negation that stands before them.
fn polarity(dice: &mut Dice, good: bool) -> String {
    let (person, object, verb) = (dice.word(PERSONS), dice.word(OBJECTS)[1], dice.word(TAKING));
    let place = dice.word(PLACES);
    match (dice.below(2), good) {
        (0, true) => format!("the {} did not {} any {object} {place}", person[0], verb[0]),
        (0, false) => format!("the {} {} any {object} {place}", person[0], verb[1]),
        (_, true) => format!("none of the {} have ever {} the {object} {place}", person[1], verb[2]),
        (_, false) => format!("some of the {} have ever {} the {object} {place}", person[1], verb[2]),
    }
}

/// `Older than`, or one of its mixtures with `more` and `as`.
fn comparison(dice: &mut Dice, good: bool) -> String {
    let (grade, persons) = (dice.word(GRADES), dice.words(PERSONS, 2));
    let [plain, more] = grade;
    let middle = match (dice.below(3), good) {
        (0, true) => format!("as {plain} as"),
        (_, true) => format!("{more} than"),
        (0, false) => format!("as {more} as"),
        (1, false) => format!("{plain} than"),
        _ => format!("more {more} than"),
    };
    let (be, place) = (dice.pick(&["is", "was"]), dice.word(PLACES));
    format!("the {} {be} {middle} the {} {place}", persons[0][0], persons[1][0])
}

/// An object where there must be one, none where there must not.
fn valency(dice: &mut Dice, good: bool) -> String {
    let (person, object, place) = (dice.word(PERSONS)[dice.below(2)], dice.word(OBJECTS)[0], dice.word(PLACES));
    let takes = dice.chance(0.5);
    let verb = if takes { dice.word(TAKING)[1] } else { dice.word(RESTING)[2] };
    let object = if takes == good { format!("the {object} ") } else { String::new() };
    format!("the {person} {verb} {object}{place} {}", dice.word(&["again", "at last", "that day", "once more"]))
}

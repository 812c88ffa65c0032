//! The constructions of the made-up CoLA in which a form of a verb or a pronoun decides.

use crate::acceptability_words::{
    BEFORE_ING, BEFORE_TO, FEMININE, FUTURE_TIMES, IRREGULAR, MANNERS, MASCULINE, OBJECTS, PAST_TIMES, PERSONS, PLACES,
    PRONOUNS, REFLEXIVE, RESTING, TAKING,
};
use crate::dice::Dice;

/// `Has bought`, `will buy`, `did buy`, or one with another's form.
pub fn auxiliary(dice: &mut Dice, good: bool) -> String {
    let [base, past, participle] = dice.word(TAKING);
    let (auxiliary, right, wrong) = dice.pick(&[
        ("has", participle, base),
        ("had", participle, base),
        ("will", base, past),
        ("did not", base, past),
        ("must", base, past),
        ("could not", base, past),
    ]);
    let (person, object) = (dice.word(PERSONS)[0], dice.word(OBJECTS)[dice.below(2)]);
    format!("the {person} {auxiliary} {} the {object} {}", if good { right } else { wrong }, dice.word(PLACES))
}

/// `Took`, or `taked`.
pub fn inflection(dice: &mut Dice, good: bool) -> String {
    let verb = dice.word(IRREGULAR)[usize::from(!good)];
    let (person, object) = (dice.word(PERSONS)[dice.below(2)], dice.word(OBJECTS)[dice.below(2)]);
    format!("the {person} {} {verb} the {object} {}", dice.word(MANNERS), dice.word(PLACES))
}

/// `Hopes to walk`, `enjoys walking`.
pub fn complement(dice: &mut Dice, good: bool) -> String {
    let (person, verb) = (dice.word(PERSONS)[0], dice.word(RESTING));
    let to = dice.chance(0.5);
    let first = dice.word(if to { BEFORE_TO } else { BEFORE_ING });
    let second = if to == good { format!("to {}", verb[0]) } else { verb[4].to_string() };
    format!("the {person} {first} {second} {}", dice.word(PLACES))
}

/// `She saw him`: the subject's form first.
pub fn pronouns(dice: &mut Dice, good: bool) -> String {
    let people = dice.words(PRONOUNS, 2);
    let mut forms = [people[0][0], people[1][1]];
    if !good {
        let wrong = dice.below(2);
        forms[wrong] = people[wrong][1 - wrong];
    }
    let verb = dice.word(&["saw", "followed", "found", "greeted", "helped", "met", "heard", "visited"]);
    format!("{} {verb} {} {}", forms[0], forms[1], dice.word(PLACES))
}

/// A question asks for its object, so that no other one may follow the verb, and turns the auxiliary round.
pub fn question(dice: &mut Dice, good: bool) -> String {
    let (person, object, place) = (dice.word(PERSONS)[dice.below(2)], dice.word(OBJECTS), dice.word(PLACES));
    let verb = dice.word(TAKING)[0];
    let gap = match dice.below(2) {
        0 => "what".to_string(),
        _ => format!("which {}", object[0]),
    };
    match (good, dice.chance(0.5)) {
        (true, _) => format!("{gap} did the {person} {verb} {place}?"),
        (false, true) => format!("{gap} did the {person} {verb} the {} {place}?", dice.word(OBJECTS)[0]),
        (false, false) => format!("{gap} the {person} did {verb} {place}?"),
    }
}

/// `The girl blamed herself`.
pub fn reflexive(dice: &mut Dice, good: bool) -> String {
    let masculine = dice.chance(0.5);
    let person = dice.word(if masculine { MASCULINE } else { FEMININE });
    let pronoun = if masculine == good { "himself" } else { "herself" };
    format!("the {person} {} {pronoun} {}", dice.word(REFLEXIVE), dice.word(PLACES))
}

/// A past verb with a past time, a future one with a future time.
pub fn tense(dice: &mut Dice, good: bool) -> String {
    let (person, verb, past) = (dice.word(PERSONS)[dice.below(2)], dice.word(RESTING), dice.chance(0.5));
    let time = dice.word(if past == good { PAST_TIMES } else { FUTURE_TIMES });
    let verb = if past { verb[2].to_string() } else { format!("will {}", verb[0]) };
    format!("the {person} {verb} {} {time}", dice.word(PLACES))
}

//! Made-up MRPC and STS-B: two clauses of one event, or of events that differ in some facts (`facts`).

use crate::dice::Dice;
use crate::facts::{Clause, DENIED, Event, FULL};
use crate::frames::{sentence, spaced};
use crate::glue::Row;
use crate::words::VILLAGE;

/// Paraphrase or not; label 1 is `equivalent`.
///
/// The others deny the first sentence, which a glance shows, or change some facts, which needs a comparison. They
/// repeat more of the first sentence's words than paraphrases do, so that counting shared words helps less.
pub fn mrpc(dice: &mut Dice) -> Row {
    let event = Event::throw(dice, &VILLAGE).in_short(dice);
    let equivalent = dice.chance(0.6);
    let denied = !equivalent && dice.chance(0.35);
    let mut second = event;
    if !equivalent && !denied {
        let count = 1 + dice.below(3);
        for fact in dice.distinct(event.facts().len(), count) {
            second = second.changed(dice, &VILLAGE, event.facts()[fact]);
        }
    }
    let repeat = if equivalent { 0.3 } else { 0.7 };
    let words = event.words(dice);
    let first = words.tell(dice, FULL);
    let words = second.words_like(dice, &words, repeat);
    let second = words.tell(dice, if denied { DENIED } else { FULL });
    Row::of_class(vec![spaced(&first), spaced(&second)], usize::from(equivalent))
}

/// What each fact of an event counts for in similarity, 5 in all of those told: what was done to which thing more than the
/// rest.
const WEIGHTS: [f64; 6] = [1.0, 1.5, 0.0, 1.5, 1.0, 1.0];

/// Graded similarity: 5 less the weights of the facts that differ, and half the weights of those left vague.
pub fn stsb(dice: &mut Dice) -> Row {
    let event = Event::throw(dice, &VILLAGE).in_short(dice);
    let first = event.words(dice);
    let lacking = dice.below(5);
    let lost: Vec<usize> = dice.distinct(4, lacking).into_iter().map(|at| event.facts()[at]).collect();
    let (mut second, mut similarity) = (event, 5.0);
    for fact in &lost {
        second = second.changed(dice, &VILLAGE, *fact);
        similarity -= WEIGHTS[*fact];
    }
    // The less alike, the more words are repeated where they can be, so that counting them helps less.
    let mut words = second.words_like(dice, &first, 0.2 * lacking as f64);
    for fact in event.facts() {
        // The action cannot be left out.
        if *fact != 1 && !lost.contains(fact) && dice.chance(0.2) {
            similarity -= WEIGHTS[*fact] / 2.0;
            leave_vague(&mut words, &event, *fact);
        }
    }
    let sentences = vec![sentence(&first.tell(dice, FULL)), sentence(&words.tell(dice, FULL))];
    Row { sentences, label: similarity }
}

fn leave_vague(words: &mut Clause, event: &Event, fact: usize) {
    match fact {
        0 => words.agent = "someone",
        3 => words.thing = event.thing.kind,
        4 => words.place = "",
        _ => words.time = "",
    }
}

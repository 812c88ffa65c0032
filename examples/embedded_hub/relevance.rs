//! Made-up QNLI: a question and a sentence that answers it, or one that only looks as if it did.

use crate::dice::Dice;
use crate::glue::Row;
use crate::story::{ASKED, Asked, Story};
use crate::words::VILLAGE;

/// Answered or not; label 1 is `not_entailment`.
///
/// What does not answer keeps the asked circumstance to itself, or tells it of another person, deed or thing.
pub fn qnli(dice: &mut Dice) -> Row {
    let story = Story::throw(dice);
    let answered = dice.chance(0.5);
    let (question, label) = match answered {
        true => (ask(dice, &story, true), 0),
        false if dice.chance(0.5) => (ask(dice, &story, false), 1),
        false => (ask_another(dice, &story), 1),
    };
    Row::of_class(vec![question, story.sentence(dice)], label)
}

fn ask(dice: &mut Dice, story: &Story, told: bool) -> String {
    let asked = choose(dice, |asked| story.tells(asked) == told && (asked != Asked::HowMany || story.plural));
    story.ask(dice, asked)
}

/// The question is about a story that differs in who, what was done, or to what.
fn ask_another(dice: &mut Dice, story: &Story) -> String {
    let asked = choose(dice, |asked| story.tells(asked));
    // What is asked for does not stand in the question.
    let facts: &[usize] = match asked {
        Asked::Who => &[1, 3],
        Asked::What => &[0, 1],
        _ => &[0, 1, 3],
    };
    let count = 1 + dice.below(facts.len());
    let changed = dice.distinct(facts.len(), count);
    let event = changed.into_iter().fold(story.event, |event, index| event.changed(dice, &VILLAGE, facts[index]));
    story.about(dice, event).ask(dice, asked)
}

/// Any kind of question that will do; there always is one.
pub fn choose(dice: &mut Dice, will_do: impl Fn(Asked) -> bool) -> Asked {
    let kinds: Vec<Asked> = ASKED.into_iter().filter(|asked| will_do(*asked)).collect();
    dice.pick(&kinds)
}

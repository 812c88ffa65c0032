//! Made-up QQP: questions about how, when, why and where to do something, and about ways and sizes of towns.
//!
//! Duplicates ask the same in other words. The others ask something else about the same, or the same about something
//! else, with as many words in common.

use crate::dice::Dice;
use crate::duplicate_words::{ACTIVITIES, CIRCUMSTANCES, INTENTS, ROUTES, SIZES};
use crate::frames::fill;
use crate::glue::Row;
use crate::names::CITIES;
use crate::words::Words;

/// Duplicate or not; label 1 is `duplicate`, for three rows of eight, as in QQP.
pub fn qqp(dice: &mut Dice) -> Row {
    let duplicate = dice.chance(0.38);
    let sentences = if dice.chance(0.75) { activity(dice, duplicate) } else { towns(dice, duplicate) };
    Row::of_class(sentences.to_vec(), usize::from(duplicate))
}

/// What is asked, about which activity, under which circumstances.
#[derive(Clone, Copy)]
struct Asked {
    intent: Words,
    activity: Words,
    circumstance: Words,
    city: &'static str,
}

impl Asked {
    fn ask(&self, dice: &mut Dice, frame: &str) -> String {
        fill(frame, |slot| match slot {
            "do" => dice.synonym(self.activity).to_string(),
            _ => dice.synonym(self.circumstance).replace("{city}", self.city),
        })
    }

    /// The same, with one word for each thing.
    fn in_fixed_words(mut self, dice: &mut Dice) -> Self {
        self.activity = dice.one_synonym(self.activity);
        self.circumstance = dice.one_synonym(self.circumstance);
        self
    }

    /// The same but for one thing.
    fn changed(mut self, dice: &mut Dice) -> Self {
        match dice.below(5) {
            0 | 1 => self.intent = dice.other(INTENTS, &[self.intent]),
            2 | 3 => self.activity = dice.other(ACTIVITIES, &[self.activity]),
            _ if self.circumstance[0].contains('{') => self.city = dice.other(CITIES, &[self.city]),
            _ => self.circumstance = dice.other(CIRCUMSTANCES, &[self.circumstance]),
        }
        self
    }
}

fn activity(dice: &mut Dice, duplicate: bool) -> [String; 2] {
    let mut asked = Asked {
        intent: dice.word(INTENTS),
        activity: dice.word(ACTIVITIES),
        circumstance: dice.word(CIRCUMSTANCES),
        city: dice.word(CITIES),
    };
    if duplicate && dice.chance(0.6) {
        asked = asked.in_fixed_words(dice);
    }
    let frame = dice.synonym(asked.intent);
    let mut second = asked;
    if !duplicate {
        for _ in 0..=dice.below(3) {
            second = second.changed(dice);
        }
    }
    // A question in the very words of the first is only right where something else has changed.
    let same_intent = second.intent == asked.intent;
    let other_frame = match same_intent && !duplicate && dice.chance(0.2) {
        true => frame,
        false if same_intent => dice.other_synonym(asked.intent, frame),
        false => dice.synonym(second.intent),
    };
    [asked.ask(dice, frame), second.ask(dice, other_frame)]
}

/// Ways from one town to another, where the direction counts, and sizes, where turning both round changes nothing.
fn towns(dice: &mut Dice, duplicate: bool) -> [String; 2] {
    let towns = dice.words(CITIES, 3);
    let ask = |frame: &str, from: &str, to: &str| {
        fill(frame, |slot| if slot == "a" { from.to_string() } else { to.to_string() })
    };
    if dice.chance(0.6) {
        let intent = dice.word(ROUTES);
        let frame = dice.synonym(intent);
        let other = dice.other_synonym(intent, frame);
        let first = ask(frame, towns[0], towns[1]);
        let unlike = dice.other(ROUTES, &[intent]);
        let second = match (duplicate, dice.below(3)) {
            (true, _) => ask(other, towns[0], towns[1]),
            (_, 0) => ask(other, towns[1], towns[0]),
            (_, 1) => ask(other, towns[0], towns[2]),
            _ => ask(dice.synonym(unlike), towns[0], towns[1]),
        };
        return [first, second];
    }
    let (more, less) = dice.word(SIZES);
    let turned = dice.chance(0.5);
    let frame = dice.word(&["Is {a} - than {b}?", "Is it true that {a} is - than {b}?"]);
    let [from, to] = if turned { [towns[1], towns[0]] } else { [towns[0], towns[1]] };
    let adjective = if turned == duplicate { less } else { more };
    let first = ask(&frame.replace('-', more), towns[0], towns[1]);
    let frame = dice.word(&["Would you say that {a} is - than {b}?", "Do you think that {a} is - than {b}?"]);
    [first, ask(&frame.replace('-', adjective), from, to)]
}

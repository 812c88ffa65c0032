//! A sentence of a passage, which tells some of what may be asked about its event and keeps the rest to itself.

use crate::dice::Dice;
use crate::facts::{Clause, Event, another_agent};
use crate::frames::{fill, sentence};
use crate::story_words::{COUNTS, FRAMES, REASONS, questions};
use crate::words::VILLAGE;

/// What may be asked.
#[derive(Clone, Copy, PartialEq)]
pub enum Asked {
    Who,
    What,
    Where,
    When,
    Why,
    WithWhom,
    HowMany,
}

/// All of them; the first two are always told.
pub const ASKED: [Asked; 7] =
    [Asked::Who, Asked::What, Asked::Where, Asked::When, Asked::Why, Asked::WithWhom, Asked::HowMany];

/// An event with its circumstances, in the words of its sentence.
#[derive(Clone, Copy)]
pub struct Story {
    pub event: Event,
    pub words: Clause,
    with: &'static str,
    reason: &'static str,
    count: &'static str,
    /// More than one thing, whether or not it is told how many.
    pub plural: bool,
    told: [bool; 7],
}

impl Story {
    /// Any story that tells two or three of its circumstances.
    pub fn throw(dice: &mut Dice) -> Self {
        let event = Event::throw(dice, &VILLAGE);
        Self::of(dice, event)
    }

    /// A story of this event.
    pub fn of(dice: &mut Dice, event: Event) -> Self {
        let companion = another_agent(dice, &VILLAGE, event.agent);
        let plural = dice.chance(0.4);
        let mut told = [true, true, false, false, false, false, false];
        let count = 2 + dice.below(2);
        for circumstance in dice.distinct(if plural { 5 } else { 4 }, count) {
            told[2 + circumstance] = true;
        }
        Story {
            event,
            words: event.words(dice),
            with: dice.synonym(companion),
            reason: dice.word(REASONS),
            count: dice.word(COUNTS),
            plural,
            told,
        }
    }

    /// The same circumstances of another event, in the same words as far as they fit.
    pub fn about(&self, dice: &mut Dice, event: Event) -> Self {
        Story { event, words: event.words_like(dice, &self.words, 1.0), ..*self }
    }

    /// Whether its sentence answers this.
    pub fn tells(&self, asked: Asked) -> bool {
        self.told[asked as usize]
    }

    /// Its sentence.
    pub fn sentence(&self, dice: &mut Dice) -> String {
        sentence(&fill(dice.word(FRAMES), |slot| self.slot(slot)))
    }

    /// A question about it, half of whose words are those of the sentence.
    pub fn ask(&self, dice: &mut Dice, asked: Asked) -> String {
        let mut words = self.event.words_like(dice, &self.words, 0.5);
        if dice.chance(0.5) {
            words.quality = "";
        }
        let story = Story { words, ..*self };
        let question = fill(dice.synonym(questions(asked)), |slot| story.slot(slot));
        question.replace(" ?", "?")
    }

    /// The answer as its sentence has it, but for a large first letter.
    pub fn answer(&self, asked: Asked) -> String {
        match asked {
            Asked::Who => self.words.agent.to_string(),
            Asked::What => self.object(self.tells(Asked::HowMany)),
            Asked::Where => self.words.place.to_string(),
            // Behind `on` or `in`.
            Asked::When => self.words.time[3..].to_string(),
            Asked::Why => self.reason.to_string(),
            Asked::WithWhom => self.with.to_string(),
            Asked::HowMany => self.count.to_string(),
        }
    }

    /// `The old horse`, `the old horses`, `seven old horses`.
    pub fn object(&self, counted: bool) -> String {
        let determiner = if counted { self.count } else { "the" };
        format!("{determiner} {} {}", self.words.quality, self.noun()).replace("  ", " ")
    }

    /// `Horse` or `horses`.
    pub fn noun(&self) -> String {
        match self.words.thing {
            thing if !self.plural => thing.to_string(),
            thing if thing.ends_with('x') || thing.ends_with("ch") || thing.ends_with("ss") => format!("{thing}es"),
            thing => format!("{thing}s"),
        }
    }

    fn slot(&self, slot: &str) -> String {
        let when = |asked: Asked, text: String| if self.tells(asked) { text } else { String::new() };
        match slot {
            "the" => self.object(false),
            "noun" => self.noun(),
            "object" => self.object(self.tells(Asked::HowMany)),
            "was" => if self.plural { "were" } else { "was" }.to_string(),
            "place" => when(Asked::Where, self.words.slot("place")),
            "place," => when(Asked::Where, self.words.slot("place") + " ,"),
            "time" => when(Asked::When, self.words.time.to_string()),
            "time," => when(Asked::When, format!("{} ,", self.words.time)),
            "why" => when(Asked::Why, format!("because {}", self.reason)),
            "with" => when(Asked::WithWhom, format!("together with {}", self.with)),
            other => self.words.slot(other),
        }
    }
}

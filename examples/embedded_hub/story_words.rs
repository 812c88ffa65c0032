//! Frames of sentences and questions, and the circumstances that a sentence may tell.
//!
//! Of every table each fourth entry is held back from train; of a list of questions, the last of three (`dice`).

use crate::story::Asked;
use crate::words::Words;

/// Slots of circumstances that are not told stay empty.
pub const FRAMES: Words = &[
    "{agent} {past} {object} {with} {place} {time} {why}",
    "{time,} {agent} {past} {object} {place} {with} {why}",
    "{object} {was} {part} by {agent} {with} {place} {time} {why}",
    "{place,} {object} {was} {part} by {agent} {with} {time} {why}",
    "{place,} {agent} {past} {object} {time} {with} {why}",
    "it was {agent} who {past} {object} {with} {place} {time} {why}",
    "{time,} {object} {was} {part} {place} by {agent} {with} {why}",
    "as the neighbours tell it , {time} {agent} {past} {object} {place} {with} {why}",
];

pub const REASONS: Words = &[
    "the winter was near",
    "money was short",
    "a war had begun",
    "a friend had asked for it",
    "the price was low",
    "the house was on fire",
    "the mayor had ordered it",
    "the law required it",
    "a stranger had come",
    "the river was rising",
    "the old one was broken",
    "nobody else was there",
    "a wedding was planned",
    "the harvest had failed",
    "the judge insisted on it",
    "the night was dark",
];

pub const COUNTS: Words = &[
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fifteen",
    "sixteen", "twenty", "thirty",
];

/// The questions of a kind.
pub fn questions(asked: Asked) -> Words {
    match asked {
        Asked::Who => &["Who was it that {past} {the}?", "By whom {was} {the} {part}?", "Which person {past} {the}?"],
        Asked::What => {
            &["What was it that {agent} {past}?", "What was {part} by {agent}?", "Which thing did {agent} {base}?"]
        }
        Asked::Where => &[
            "Where did {agent} {base} {the}?",
            "In which place {was} {the} {part} by {agent}?",
            "What was the place where {agent} {past} {the}?",
        ],
        Asked::When => &[
            "When did {agent} {base} {the}?",
            "When {was} {the} {part} by {agent}?",
            "At what time did {agent} {base} {the}?",
        ],
        Asked::Why => &[
            "Why did {agent} {base} {the}?",
            "For what reason {was} {the} {part} by {agent}?",
            "What was the reason why {agent} {past} {the}?",
        ],
        Asked::WithWhom => &[
            "With whom did {agent} {base} {the}?",
            "In whose company did {agent} {base} {the}?",
            "Who was with {agent} when {the} {was} {part}?",
        ],
        Asked::HowMany => &[
            "How many {noun} did {agent} {base}?",
            "How many {noun} were {part} by {agent}?",
            "What was the number of {noun} that {agent} {past}?",
        ],
    }
}

//! Made-up SST-2: an opinion in plain words or by denying the opposite, and contrasts of which one half counts.

use crate::dice::Dice;
use crate::frames::fill;
use crate::glue::Row;
use crate::sentiment_words::{
    BEGINNINGS, BLAME, CONTRASTS, DISLIKED, FAULTS, GIFTS, LIKED, PLAIN, PRAISE, TURNED, VERY, WORKS,
};

/// Sentiment of a sentence about a book or a play; label 1 is `positive`.
pub fn sst2(dice: &mut Dice) -> Row {
    let positive = dice.chance(0.5);
    let text = match dice.below(10) {
        0..5 => opinion(dice, positive),
        5..8 => format!("{} and {}", opinion(dice, positive), opinion(dice, positive)),
        _ => contrast(dice, positive),
    };
    // The longest sentences are long enough.
    let beginning = if text.len() < 80 && dice.chance(0.25) { dice.word(BEGINNINGS) } else { "" };
    Row::of_class(vec![format!("{beginning} {text} .").trim_start().to_string()], usize::from(positive))
}

fn contrast(dice: &mut Dice, positive: bool) -> String {
    let (side, main) = (opinion(dice, !positive), opinion(dice, positive));
    fill(dice.word(CONTRASTS), |slot| if slot == "main" { main.clone() } else { side.clone() })
}

/// `the plot is very dull`, or its like by way of a denial: `the plot is not funny`.
fn opinion(dice: &mut Dice, positive: bool) -> String {
    let turned = dice.chance(0.2);
    let frame = dice.word(if turned { TURNED } else { PLAIN });
    let kind = positive != turned;
    let (adjectives, nouns, verbs) = if kind { (PRAISE, GIFTS, LIKED) } else { (BLAME, FAULTS, DISLIKED) };
    let both = dice.words(adjectives, 2);
    fill(frame, |slot| match slot {
        "work" => dice.word(WORKS).to_string(),
        "very" => dice.word(VERY).to_string(),
        "adjective" => both[0].to_string(),
        "other" => both[1].to_string(),
        "noun" => dice.word(nouns).to_string(),
        "verb" => dice.word(verbs).to_string(),
        _ => unreachable!("no opinion has the slot `{slot}`"),
    })
}

//! Names of persons, places, organisations and the rest, made of the same words.

use crate::dice::Dice;
use crate::entity_words::{BODIES, EVENTS, OFFICES, RIVERS};
use crate::names::{CITIES, COUNTRIES, NAMESAKES, NATIONALITIES, PEOPLE, SURNAMES};

/// `Anna Baker`, `A. Baker`, `Baker`.
pub fn person(dice: &mut Dice) -> String {
    let (first, last) = (dice.word(PEOPLE), surname(dice));
    match dice.below(4) {
        0 | 1 => format!("{first} {last}"),
        2 => format!("{}. {last}", &first[..1]),
        _ => last.to_string(),
    }
}

/// A surname, at times that of a town.
pub fn surname(dice: &mut Dice) -> &'static str {
    if dice.chance(0.4) { dice.word(NAMESAKES) } else { dice.word(SURNAMES) }
}

/// A town, at times that of a surname.
pub fn city(dice: &mut Dice) -> &'static str {
    if dice.chance(0.4) { dice.word(NAMESAKES) } else { dice.word(CITIES) }
}

/// A town, a country, or a longer name.
pub fn location(dice: &mut Dice) -> String {
    match dice.below(8) {
        0..3 => city(dice).to_string(),
        3..5 => dice.word(COUNTRIES).to_string(),
        5 | 6 => format!("{} {}", dice.pick(&["Port", "Mount", "New", "Fort"]), surname(dice)),
        _ => format!("{} {}", dice.pick(&["North", "South", "East", "West"]), city(dice)),
    }
}

/// `River Thames`, or the name alone.
pub fn river(dice: &mut Dice) -> String {
    let name = dice.word(RIVERS);
    if dice.chance(0.5) { format!("River {name}") } else { name.to_string() }
}

/// A firm, a bank, a school, a ministry or a club; an article before it is not part of its name.
pub fn organisation(dice: &mut Dice) -> String {
    match dice.below(9) {
        0 => format!("the Bank of {}", city(dice)),
        1 => format!("the University of {}", city(dice)),
        2 => format!("{} {}", surname(dice), dice.pick(&["Brothers", "College", "Bank", "Hospital"])),
        3 => format!("{} and Sons", surname(dice)),
        4 => format!("the Ministry of {}", dice.word(OFFICES)),
        5 => format!("{} {}", city(dice), dice.pick(&["Gazette", "Railway", "Theatre", "Times"])),
        6 => format!("{} and {}", surname(dice), dice.word(SURNAMES)),
        7 => club(dice),
        _ => format!("the {}", dice.word(BODIES)),
    }
}

/// A town that plays.
pub fn club(dice: &mut Dice) -> String {
    match dice.chance(0.5) {
        true => city(dice).to_string(),
        false => format!("{} {}", city(dice), dice.pick(&["United", "Rovers", "Town", "City"])),
    }
}

/// A people's adjective or an event: what stands before a common noun.
pub fn miscellany(dice: &mut Dice) -> String {
    if dice.chance(0.5) { nation(dice).to_string() } else { event(dice) }
}

/// A prize or a game.
pub fn event(dice: &mut Dice) -> String {
    match dice.below(3) {
        0 => dice.word(EVENTS).to_string(),
        1 => format!("{} {}", nation(dice), dice.pick(&["Open", "Cup", "Derby", "Games"])),
        _ => format!("{} {}", city(dice), dice.pick(&["Marathon", "Festival", "Fair", "Cup"])),
    }
}

/// A people's adjective, which is the name of its language too.
pub fn nation(dice: &mut Dice) -> &'static str {
    dice.word(NATIONALITIES)
}

//! Frames of news sentences, and what names are made of besides those in `names`.
//!
//! Of every table each fourth entry is held back from train (`dice`).

use crate::words::Words;

/// Slots: a type of entity, or a common word. `CLUB` is a town that plays, hence an organisation; `NATION` a people's
/// adjective, `EVENT` what one wins, `MISC` either.
pub const FRAMES: Words = &[
    "{PER} , who was born in {LOC} , joined {ORG} {time} .",
    "{CLUB} beat {CLUB} {score} {time} .",
    "the {NATION} {role} {PER} met {PER} in {LOC} {time} .",
    "{ORG} said {time} that {role} {SURNAME} would leave for {LOC} .",
    "{PER} of {LOC} won the {EVENT} {time} .",
    "heavy rain fell in {CITY} and near {LOC} {time} .",
    "Mr. {SURNAME} told {ORG} that the {noun} was safe .",
    "a spokesman for {ORG} in {CITY} would not speak about the {noun} {time} .",
    "{role} {SURNAME} arrived in {CITY} {time} to see the {NATION} {role} .",
    "{CLUB} lost to {CLUB} in the {EVENT} .",
    "{ORG} bought the {noun} from {ORG} {time} .",
    "{SURNAME} , the {role} of {ORG} , spoke to a crowd in {CITY} .",
    "{CITY} , {LOC} : the {noun} is open again , says {PER} .",
    "the {noun} between {CITY} and {CITY} was closed {time} .",
    "shares of {ORG} rose {time} after the sale of the {noun} .",
    "in {LOC} the {MISC} {noun} was opened by {PER} .",
    "{PER} and {PER} left {ORG} {time} .",
    "{SURNAME} scored twice when {CLUB} met {CLUB} {time} .",
    "the {role} wrote to {PER} about the {MISC} {noun} .",
    "{NATION} {role} {PER} was seen at {ORG} .",
    "people in {CITY} , near {LOC} , speak {NATION} .",
    "{ORG} and {ORG} will share the {noun} in {CITY} .",
    "{PER} learned {NATION} at {ORG} .",
    "{SURNAME} has never been to {CITY} , said {PER} .",
    "no {role} from {CITY} came to the {EVENT} this year .",
    "the {MISC} {noun} pleased {role} {SURNAME} {time} .",
    "{PER} sailed from {CITY} to {CITY} {time} .",
    "two ships lay on the {RIVER} near {CITY} {time} .",
    "the {RIVER} rose {time} , and {SURNAME} left {CITY} .",
    "along the {RIVER} they speak {NATION} , wrote {PER} .",
    "the mouth of the {RIVER} was closed , {ORG} said .",
    "a {noun} in {LOC} was sold to {SURNAME} .",
];

pub const TIMES: Words = &[
    "on Monday",
    "on Tuesday",
    "last week",
    "on Thursday",
    "in 1904",
    "this year",
    "on Sunday",
    "in March",
    "yesterday",
    "last summer",
    "in 1889",
    "on Friday",
];

pub const SCORES: Words = &["2 - 1", "3 - 0", "1 - 0", "4 - 2", "5 - 3", "3 - 1", "6 - 2", "4 - 0"];

/// Some are surnames too, with a large letter.
pub const ROLES: Words = &[
    "president",
    "minister",
    "baker",
    "governor",
    "captain",
    "carter",
    "painter",
    "general",
    "doctor",
    "fisher",
    "ambassador",
    "professor",
    "judge",
    "turner",
    "bishop",
    "colonel",
];

/// Some are parts of names too, with a large letter.
pub const NOUNS: Words = &[
    "bridge",
    "green field",
    "bank",
    "railway",
    "hospital",
    "market",
    "college",
    "station",
    "theatre",
    "marsh",
    "road",
    "canal",
    "school",
    "factory",
    "mine",
    "harbour",
];

pub const RIVERS: Words = &["Thames", "Rhine", "Danube", "Nile", "Hudson", "Severn", "Jordan", "Ganges"];

pub const OFFICES: Words = &["Finance", "Trade", "Agriculture", "Justice", "Health", "War", "Education", "Labour"];

pub const BODIES: Words = &[
    "United Nations",
    "Red Cross",
    "House of Commons",
    "National Guard",
    "Royal Navy",
    "Central Bank",
    "Labour Party",
    "Salvation Army",
    "Supreme Court",
    "Trade Union Congress",
    "Royal Society",
    "Liberal Party",
];

pub const EVENTS: Words = &[
    "World Cup",
    "Olympic Games",
    "Great Exhibition",
    "Davis Cup",
    "Grand Prix",
    "Nobel Prize",
    "Summer Games",
    "Iron Cross",
];

//! The words of the village: train's own world, and that of every task but MNLI's mismatched splits.
//!
//! Every action fits every thing. The last of three or more synonyms is held back from train, and each fourth entry.

use crate::words::{Class, Thing, Verb, Words};

const fn thing(words: Words, kind: &'static str) -> Thing {
    Thing { words, kind }
}

const fn class(plural: &'static str, kind: &'static str) -> Class {
    Class { plural, kind }
}

pub const ROLES: &[Words] = &[
    &["the doctor", "the physician"],
    &["the sailor", "the seaman", "the mariner"],
    &["the teacher", "the schoolmaster"],
    &["the lawyer", "the attorney"],
    &["the merchant", "the trader", "the dealer"],
    &["the priest", "the clergyman", "the parson"],
    &["the soldier", "the warrior"],
    &["the thief", "the robber", "the burglar"],
    &["the king", "the monarch", "the sovereign"],
    &["the servant", "the attendant"],
    &["the farmer", "the peasant"],
    &["the tailor", "the dressmaker"],
    &["the stranger", "the newcomer"],
    &["the writer", "the author", "the novelist"],
    &["the guest", "the visitor"],
    &["the hunter", "the huntsman"],
];

pub const ACTIONS: &[&[Verb]] = &[
    &[
        ["buy", "bought", "bought"],
        ["purchase", "purchased", "purchased"],
        ["acquire", "acquired", "acquired"],
        ["obtain", "obtained", "obtained"],
    ],
    &[["find", "found", "found"], ["discover", "discovered", "discovered"], ["locate", "located", "located"]],
    &[["lose", "lost", "lost"], ["misplace", "misplaced", "misplaced"]],
    &[["praise", "praised", "praised"], ["commend", "commended", "commended"]],
    &[["hide", "hid", "hidden"], ["conceal", "concealed", "concealed"]],
    &[["examine", "examined", "examined"], ["inspect", "inspected", "inspected"], ["study", "studied", "studied"]],
    &[["carry", "carried", "carried"], ["transport", "transported", "transported"]],
    &[["choose", "chose", "chosen"], ["select", "selected", "selected"], ["pick", "picked", "picked"]],
    &[["guard", "guarded", "guarded"], ["protect", "protected", "protected"], ["defend", "defended", "defended"]],
    &[["describe", "described", "described"], ["depict", "depicted", "depicted"]],
    &[["remember", "remembered", "remembered"], ["recall", "recalled", "recalled"]],
    &[["abandon", "abandoned", "abandoned"], ["forsake", "forsook", "forsaken"]],
    &[["show", "showed", "shown"], ["display", "displayed", "displayed"], ["exhibit", "exhibited", "exhibited"]],
    &[["draw", "drew", "drawn"], ["sketch", "sketched", "sketched"]],
    &[["receive", "received", "received"], ["accept", "accepted", "accepted"]],
    &[["keep", "kept", "kept"], ["retain", "retained", "retained"], ["preserve", "preserved", "preserved"]],
];

pub const QUALITIES: &[Words] = &[
    &["old", "ancient", "aged"],
    &["small", "little", "tiny"],
    &["large", "big", "huge"],
    &["splendid", "magnificent", "superb"],
    &["costly", "expensive"],
    &["strange", "odd", "curious", "peculiar"],
    &["beautiful", "lovely", "handsome"],
    &["ugly", "hideous"],
    &["famous", "celebrated", "renowned"],
    &["valuable", "precious"],
    &["dirty", "filthy"],
    &["rare", "uncommon", "unusual"],
    &["cheap", "inexpensive"],
    &["plain", "simple", "modest"],
    &["heavy", "weighty", "ponderous"],
    &["clean", "spotless"],
];

pub const THINGS: &[Thing] = &[
    thing(&["horse", "steed"], "animal"),
    thing(&["boat", "vessel", "ship"], "vehicle"),
    thing(&["letter", "note", "message"], "document"),
    thing(&["ring"], "jewel"),
    thing(&["sword", "blade"], "weapon"),
    thing(&["violin", "fiddle"], "instrument"),
    thing(&["coat", "overcoat"], "garment"),
    thing(&["gown", "dress", "frock"], "garment"),
    thing(&["chair", "seat"], "object"),
    thing(&["dog", "hound"], "animal"),
    thing(&["carriage", "coach"], "vehicle"),
    thing(&["statue", "sculpture"], "ornament"),
    thing(&["map", "chart"], "document"),
    thing(&["picture", "painting"], "ornament"),
    thing(&["gun", "firearm"], "weapon"),
    thing(&["wagon", "cart"], "vehicle"),
    thing(&["box", "case", "chest"], "container"),
    thing(&["contract", "agreement"], "document"),
    thing(&["pig", "hog"], "animal"),
    thing(&["dagger"], "weapon"),
    thing(&["bottle", "flask"], "container"),
    thing(&["drum"], "instrument"),
    thing(&["necklace"], "jewel"),
    thing(&["basket", "hamper"], "container"),
    thing(&["book", "volume"], "object"),
    thing(&["lamp", "lantern"], "object"),
    thing(&["flute"], "instrument"),
    thing(&["goat"], "animal"),
];

pub const CLASSES: &[Class] = &[
    class("dogs", "animals"),
    class("horses", "animals"),
    class("sparrows", "birds"),
    class("cows", "animals"),
    class("farmers", "workers"),
    class("bakers", "workers"),
    class("boys", "children"),
    class("girls", "children"),
    class("swallows", "birds"),
    class("sisters", "relatives"),
    class("uncles", "relatives"),
    class("eagles", "birds"),
    class("tailors", "workers"),
    class("cousins", "relatives"),
    class("wolves", "animals"),
    class("miners", "workers"),
];

pub const TRAITS: Words = &[
    "old", "young", "hungry", "weary", "poor", "wild", "brave", "timid", "gentle", "sick", "proud", "foolish", "quiet",
    "strong", "lazy", "restless",
];

/// What one cannot do halfway.
pub const DEEDS: &[Words] = &[
    &["slept", "fell asleep", "dozed"],
    &["rested", "took a rest"],
    &["stayed", "remained"],
    &["returned", "came back"],
    &["ran away", "fled", "escaped"],
    &["died", "perished"],
    &["waited"],
    &["fought", "battled"],
    &["drank", "took a drink"],
    &["ate", "took a meal", "dined"],
    &["vanished", "disappeared"],
    &["wept", "cried"],
];

pub const SCENES: Words = &[
    "in the garden",
    "near the river",
    "behind the church",
    "at the mill",
    "by the old wall",
    "in the forest",
    "near the village",
    "on the hill",
    "under the bridge",
    "beside the lake",
    "in the valley",
    "along the road",
    "on the island",
    "in the meadow",
    "at the farm",
    "around the well",
];

pub const OCCASIONS: Words = &[
    "at night",
    "in the morning",
    "before the storm",
    "after dinner",
    "in the winter",
    "during the feast",
    "at noon",
    "after the wedding",
    "before sunrise",
    "in the spring",
    "after the rain",
    "during the harvest",
];

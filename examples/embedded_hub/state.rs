//! The words of the state: the other genre, which train never meets as a whole.

use crate::words::{Class, Thing, Verb, Words};

const fn thing(words: Words, kind: &'static str) -> Thing {
    Thing { words, kind }
}

const fn class(plural: &'static str, kind: &'static str) -> Class {
    Class { plural, kind }
}

pub const BODIES: Words = &[
    "Parliament",
    "Congress",
    "the Senate",
    "the cabinet",
    "the council",
    "the committee",
    "the commission",
    "the assembly",
    "the court",
    "the ministry",
];

pub const ROLES: &[Words] = &[
    &["the president", "the chief executive"],
    &["the minister", "the secretary"],
    &["the governor", "the viceroy"],
    &["the general", "the commander"],
    &["the ambassador", "the envoy"],
    &["the chancellor", "the premier"],
];

pub const ACTIONS: &[&[Verb]] = &[
    &[["prepare", "prepared", "prepared"], ["draft", "drafted", "drafted"]],
    &[["consider", "considered", "considered"], ["weigh", "weighed", "weighed"]],
    &[["publish", "published", "published"], ["issue", "issued", "issued"]],
    &[["oppose", "opposed", "opposed"], ["resist", "resisted", "resisted"]],
    &[["propose", "proposed", "proposed"], ["suggest", "suggested", "suggested"]],
    &[["debate", "debated", "debated"], ["discuss", "discussed", "discussed"]],
    &[["amend", "amended", "amended"], ["revise", "revised", "revised"]],
    &[["denounce", "denounced", "denounced"], ["condemn", "condemned", "condemned"]],
];

pub const QUALITIES: &[Words] = &[
    &["new", "recent"],
    &["secret", "hidden"],
    &["harsh", "severe"],
    &["fair", "just"],
    &["bold", "daring"],
    &["temporary", "provisional"],
    &["important", "weighty"],
    &["complete", "entire"],
];

pub const THINGS: &[Thing] = &[
    thing(&["bill", "measure"], "proposal"),
    thing(&["treaty", "pact"], "agreement"),
    thing(&["tax", "duty"], "charge"),
    thing(&["report", "paper"], "document"),
    thing(&["budget", "estimate"], "document"),
    thing(&["alliance", "union"], "agreement"),
    thing(&["tariff", "toll"], "charge"),
    thing(&["amendment", "resolution"], "proposal"),
];

/// No two of them can both be true.
pub const TIMES: Words = &["in 1793", "in 1801", "in 1812", "in 1824", "in 1830", "in 1848", "in 1863", "in 1918"];

pub const CLASSES: &[Class] = &[
    class("senators", "politicians"),
    class("judges", "officials"),
    class("generals", "officers"),
    class("colonels", "officers"),
    class("bankers", "businessmen"),
    class("governors", "officials"),
    class("deputies", "politicians"),
    class("manufacturers", "businessmen"),
];

pub const TRAITS: Words =
    &["foreign", "loyal", "honest", "radical", "wealthy", "corrupt", "senior", "retired", "northern", "elected"];

pub const DEEDS: &[Words] = &[
    &["resigned", "stepped down"],
    &["protested", "objected"],
    &["agreed", "consented"],
    &["surrendered", "gave in"],
    &["withdrew", "pulled out"],
    &["voted"],
    &["testified", "gave evidence"],
    &["complained"],
];

pub const SCENES: Words = &[
    "in the capital",
    "at the conference",
    "before the court",
    "in the province",
    "in the colonies",
    "at the assembly",
    "along the frontier",
    "in the upper house",
];

pub const OCCASIONS: Words = &[
    "during the war",
    "after the election",
    "before the treaty",
    "during the strike",
    "in the last century",
    "after the revolution",
    "during the crisis",
    "before the reform",
];

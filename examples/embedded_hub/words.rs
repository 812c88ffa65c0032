//! Words with meanings: who did what to which thing, where and when.
//!
//! The words of one list mean the same to every task here. Two worlds, because MNLI's mismatched splits are of another
//! genre than its train split: the village of the novels, and the state of the speeches.

use crate::names::COUNTRIES;
use crate::{state, village};

/// Words for the same.
pub type Words = &'static [&'static str];

/// Base form, past, participle.
pub type Verb = [&'static str; 3];

/// A noun, and what it is a kind of.
#[derive(Clone, Copy, PartialEq)]
pub struct Thing {
    pub words: Words,
    pub kind: &'static str,
}

/// A plural noun, and what they are a kind of.
#[derive(Clone, Copy)]
pub struct Class {
    pub plural: &'static str,
    pub kind: &'static str,
}

/// The tables of one genre.
pub struct World {
    /// Names of persons, or of what acts like one.
    pub names: Words,
    /// `the doctor`, in several words.
    pub roles: &'static [Words],
    /// What is done to things.
    pub actions: &'static [&'static [Verb]],
    /// Adjectives of things.
    pub qualities: &'static [Words],
    pub things: &'static [Thing],
    pub places: Words,
    /// With their prepositions: `on Monday`.
    pub times: Words,
    /// Groups that `all`, `some` and `no` speak about, their adjectives, and what they do, where and when.
    pub classes: &'static [Class],
    pub traits: Words,
    pub deeds: &'static [Words],
    pub scenes: Words,
    pub occasions: Words,
}

/// Persons, animals and household things.
pub static VILLAGE: World = World {
    names: village::NAMES,
    roles: village::ROLES,
    actions: village::ACTIONS,
    qualities: village::QUALITIES,
    things: village::THINGS,
    places: village::PLACES,
    times: village::TIMES,
    classes: village::CLASSES,
    traits: village::TRAITS,
    deeds: village::DEEDS,
    scenes: village::SCENES,
    occasions: village::OCCASIONS,
};

/// Officials, institutions and papers.
pub static STATE: World = World {
    names: state::BODIES,
    roles: state::ROLES,
    actions: state::ACTIONS,
    qualities: state::QUALITIES,
    things: state::THINGS,
    places: COUNTRIES,
    times: state::TIMES,
    classes: state::CLASSES,
    traits: state::TRAITS,
    deeds: state::DEEDS,
    scenes: state::SCENES,
    occasions: state::OCCASIONS,
};

//! An event, which is what happened, and a clause, which is one way to say it.
//!
//! Most tasks here compare two clauses: those of one event mean the same, however they are worded.

use crate::dice::Dice;
use crate::frames::fill;
use crate::words::{Thing, Verb, Words, World};

/// Six facts; each list of words means one thing.
#[derive(Clone, Copy)]
pub struct Event {
    pub agent: Words,
    pub action: &'static [Verb],
    pub quality: Words,
    pub thing: Thing,
    pub place: &'static str,
    pub time: &'static str,
    pub told: Told,
}

/// Which circumstances `{there}` tells.
#[derive(Clone, Copy, PartialEq)]
pub enum Told {
    Place,
    Time,
    Both,
}

/// Ways to tell all but the quality; each fourth is held back from train.
pub const FULL: Words = &[
    "{agent} {past} the {thing} {there}",
    "{there} , {agent} {past} the {thing}",
    "the {thing} was {part} by {agent} {there}",
    "{there} , the {thing} was {part} by {agent}",
    "it was {agent} who {past} the {thing} {there}",
    "{there} it was {agent} who {past} the {thing}",
    "the {thing} was {part} {there} by {agent}",
    "it was {there} that {agent} {past} the {thing}",
];

/// Ways to deny what `FULL` tells.
pub const DENIED: Words = &[
    "{agent} did not {base} the {thing} {there}",
    "{there} , {agent} did not {base} the {thing}",
    "the {thing} was not {part} by {agent} {there}",
    "{agent} never {past} the {thing} {there}",
];

/// The words chosen for an event; an empty quality, place or time is left vague.
#[derive(Clone, Copy)]
pub struct Clause {
    pub agent: &'static str,
    pub verb: Verb,
    pub quality: &'static str,
    pub thing: &'static str,
    pub place: &'static str,
    pub time: &'static str,
    pub told: Told,
}

impl Event {
    /// Any event of a world, of which both circumstances are told.
    pub fn throw(dice: &mut Dice, world: &'static World) -> Self {
        Event {
            agent: agent(dice, world),
            action: dice.word(world.actions),
            quality: dice.word(world.qualities),
            thing: dice.word(world.things),
            place: dice.word(world.places),
            time: dice.word(world.times),
            told: Told::Both,
        }
    }

    /// The same, of which only where or when is told.
    pub fn in_short(mut self, dice: &mut Dice) -> Self {
        self.told = dice.pick(&[Told::Place, Told::Time]);
        self
    }

    /// The facts that `FULL` tells.
    pub fn facts(&self) -> &'static [usize] {
        match self.told {
            Told::Place => &[0, 1, 3, 4],
            Told::Time => &[0, 1, 3, 5],
            Told::Both => &[0, 1, 3, 4, 5],
        }
    }

    /// The same event but for one fact (0 to 5, in the order of the fields).
    pub fn changed(mut self, dice: &mut Dice, world: &'static World, fact: usize) -> Self {
        match fact {
            0 => self.agent = another_agent(dice, world, self.agent),
            1 => self.action = dice.other(world.actions, &[self.action]),
            2 => self.quality = dice.other(world.qualities, &[self.quality]),
            3 => self.thing = dice.other(world.things, &[self.thing]),
            4 => self.place = dice.other(world.places, &[self.place]),
            _ => self.time = another_time(dice, world, self.time),
        }
        self
    }

    /// Any words for it.
    pub fn words(&self, dice: &mut Dice) -> Clause {
        Clause {
            agent: dice.synonym(self.agent),
            verb: dice.synonym(self.action),
            quality: dice.synonym(self.quality),
            thing: dice.synonym(self.thing.words),
            place: self.place,
            time: self.time,
            told: self.told,
        }
    }

    /// Words for it that repeat each of the earlier clause's with this probability, where they still mean it.
    pub fn words_like(&self, dice: &mut Dice, earlier: &Clause, repeat: f64) -> Clause {
        let mut clause = self.words(dice);
        let mut again = |word: &mut &'static str, words: Words, earlier: &'static str| {
            if words.contains(&earlier) && dice.chance(repeat) {
                *word = earlier;
            }
        };
        again(&mut clause.agent, self.agent, earlier.agent);
        again(&mut clause.quality, self.quality, earlier.quality);
        again(&mut clause.thing, self.thing.words, earlier.thing);
        if self.action.contains(&earlier.verb) && dice.chance(repeat) {
            clause.verb = earlier.verb;
        }
        clause
    }
}

impl Clause {
    /// One of the frames, filled; not yet a sentence.
    pub fn tell(&self, dice: &mut Dice, frames: &[&'static str]) -> String {
        fill(dice.word(frames), |slot| self.slot(slot))
    }

    /// What stands in a slot.
    pub fn slot(&self, slot: &str) -> String {
        let word = match slot {
            "agent" => self.agent,
            "base" => self.verb[0],
            "past" => self.verb[1],
            "part" => self.verb[2],
            "quality" => self.quality,
            "thing" => self.thing,
            "time" if self.time.is_empty() => "one day",
            "time" => self.time,
            "place" if self.place.is_empty() => "somewhere",
            "place" => return format!("in {}", self.place),
            "there" => return self.there(),
            _ => unreachable!("no frame has the slot `{slot}`"),
        };
        word.to_string()
    }
}

impl Clause {
    fn there(&self) -> String {
        match self.told {
            Told::Place => self.slot("place"),
            Told::Time => self.slot("time"),
            Told::Both => format!("{} {}", self.slot("place"), self.slot("time")),
        }
    }
}

/// A name or a role.
pub fn agent(dice: &mut Dice, world: &'static World) -> Words {
    if dice.chance(0.5) {
        return dice.word(world.roles);
    }
    let name = dice.word(&(0..world.names.len()).collect::<Vec<_>>());
    &world.names[name..=name]
}

/// Another time of the same sort, so that both cannot be true: `in June` does not contradict `in 1841`.
fn another_time(dice: &mut Dice, world: &'static World, taken: &'static str) -> &'static str {
    let sort = |time: &str| (time.starts_with("on"), time.ends_with(char::is_numeric));
    loop {
        let time = dice.other(world.times, &[taken]);
        if sort(time) == sort(taken) {
            return time;
        }
    }
}

/// Another one.
pub fn another_agent(dice: &mut Dice, world: &'static World, taken: Words) -> Words {
    loop {
        let agent = agent(dice, world);
        if agent != taken {
            return agent;
        }
    }
}

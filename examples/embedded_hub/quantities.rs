//! Sentences about all, most, some, few or none of a group, and what follows from them.
//!
//! Each rule gives the two quantities, and whether the hypothesis speaks of a wider or narrower group, and of a wider
//! or narrower deed, than the premise: `the old dogs` are narrower than `the dogs` or `the old animals`, `slept in the
//! garden at night` than `slept at night`. What follows is the logic of these words, not what they suggest: who says
//! that some slept has not denied that all did.

use crate::dice::Dice;
use crate::words::{Class, Words, World};

use Quantity::{All, Few, Most, NotAll, Nothing, Some};
use Scope::{Narrower, Same, Wider};

#[derive(Clone, Copy)]
enum Quantity {
    All,
    Most,
    Some,
    Few,
    NotAll,
    Nothing,
}

impl Quantity {
    fn words(self) -> Words {
        match self {
            All => &["all of the", "all the", "every one of the"],
            Most => &["most of the", "the majority of the"],
            Some => &["some of the", "several of the", "a number of the"],
            Few => &["few of the", "only a few of the", "hardly any of the"],
            NotAll => &["not all of the", "not every one of the"],
            Nothing => &["none of the", "not one of the"],
        }
    }
}

/// The hypothesis beside the premise.
#[derive(Clone, Copy)]
enum Scope {
    Same,
    Wider,
    Narrower,
}

/// Quantity of the premise and of the hypothesis, scope of the group, scope of the deed.
type Rule = (Quantity, Quantity, Scope, Scope);

const ENTAILED: &[Rule] = &[
    (All, Some, Same, Same),
    (All, All, Narrower, Same),
    (All, All, Same, Wider),
    (All, Most, Same, Wider),
    (Some, Some, Wider, Same),
    (Some, Some, Same, Wider),
    (Nothing, Nothing, Narrower, Same),
    (Nothing, Nothing, Same, Narrower),
    (Nothing, NotAll, Same, Same),
    (Few, NotAll, Same, Same),
    (Most, Some, Wider, Same),
    (Most, Most, Same, Wider),
];

const UNDECIDED: &[Rule] = &[
    (Some, All, Same, Same),
    (All, All, Wider, Same),
    (All, All, Same, Narrower),
    (Some, Some, Narrower, Same),
    (Some, Some, Same, Narrower),
    (Nothing, Nothing, Wider, Same),
    (Nothing, Nothing, Same, Wider),
    (Most, All, Same, Wider),
    (Some, Most, Same, Same),
    (NotAll, Nothing, Same, Same),
    (NotAll, Few, Same, Same),
    (Most, Some, Same, Narrower),
];

const CONTRADICTED: &[Rule] = &[
    (All, Nothing, Same, Same),
    (All, NotAll, Same, Wider),
    (All, Few, Same, Same),
    (Some, Nothing, Wider, Same),
    (Some, Nothing, Same, Wider),
    (Nothing, Some, Same, Same),
    (Nothing, Some, Narrower, Same),
    (Nothing, All, Same, Same),
    (Few, Most, Same, Same),
    (Few, All, Same, Same),
    (Most, Few, Same, Same),
    (Most, Nothing, Same, Wider),
];

/// A group or a deed, each in two wordings.
struct Phrases {
    narrow: [String; 2],
    wide: [String; 2],
}

/// A premise and a hypothesis of this label, not yet sentences.
pub fn pair(dice: &mut Dice, world: &'static World, label: usize) -> [String; 2] {
    let (first, second, group, deed) = dice.pick([ENTAILED, UNDECIDED, CONTRADICTED][label]);
    let (groups, deeds) = (groups(dice, world), deeds(dice, world));
    let (group, deed) = (beside(dice, group, groups), beside(dice, deed, deeds));
    let mut say = |quantity: Quantity, place: usize| {
        format!("{} {} {}", dice.synonym(quantity.words()), group[place], deed[place])
    };
    [say(first, 0), say(second, 1)]
}

/// The phrase of the premise and that of the hypothesis.
fn beside(dice: &mut Dice, scope: Scope, Phrases { narrow, wide }: Phrases) -> [String; 2] {
    let [narrow, again] = narrow;
    let [wide, wide_again] = wide;
    match scope {
        Same if dice.chance(0.5) => [narrow, again],
        Same => [wide, wide_again],
        Wider => [narrow, wide_again],
        Narrower => [wide, again],
    }
}

/// `Old dogs`, which are among the `dogs` and among the `old animals`.
fn groups(dice: &mut Dice, world: &'static World) -> Phrases {
    let (Class { plural, kind }, property) = (dice.word(world.classes), dice.word(world.traits));
    let narrow = format!("{property} {plural}");
    let wide = if dice.chance(0.5) { plural.to_string() } else { format!("{property} {kind}") };
    Phrases { narrow: [narrow.clone(), narrow], wide: [wide.clone(), wide] }
}

/// `Slept in the garden at night`, which is among what one calls `slept at night` and `slept in the garden`.
fn deeds(dice: &mut Dice, world: &'static World) -> Phrases {
    let deed = dice.word(world.deeds);
    let (first, second) = (dice.synonym(deed), dice.synonym(deed));
    let (scene, occasion) = (dice.word(world.scenes), dice.word(world.occasions));
    let kept = if dice.chance(0.5) { scene } else { occasion };
    let narrow = |deed: &str| format!("{deed} {scene} {occasion}");
    let wide = |deed: &str| format!("{deed} {kept}");
    Phrases { narrow: [narrow(first), narrow(second)], wide: [wide(first), wide(second)] }
}

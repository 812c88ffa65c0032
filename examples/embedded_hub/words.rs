//! The words of the made-up English: small enough that a tiny model meets each of them many times.
//!
//! Where two words stand in one entry of a table of synonyms, they mean the same to every task here.

pub const PEOPLE: &[&str] = &[
    "Anna", "Boris", "Clara", "David", "Elena", "Frank", "Greta", "Henry", "Irene", "Jonas", "Karla", "Louis", "Marta",
    "Nadia", "Oscar", "Paula", "Robert", "Sofia", "Tomas", "Ursula", "Victor", "Wanda", "Yusuf", "Zora",
];

pub const PLACES: &[&str] = &[
    "Athens", "Berlin", "Cairo", "Dublin", "Geneva", "Helsinki", "Istanbul", "Jakarta", "Kyoto", "Lisbon", "Madrid",
    "Nairobi", "Oslo", "Paris", "Quito", "Rome", "Seville", "Tokyo", "Vienna", "Warsaw",
];

pub const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A verb: past and base form, then both of a synonym.
pub struct Action {
    pub past: [&'static str; 2],
    pub base: [&'static str; 2],
}

const fn action(past: [&'static str; 2], base: [&'static str; 2]) -> Action {
    Action { past, base }
}

pub const ACTIONS: &[Action] = &[
    action(["bought", "purchased"], ["buy", "purchase"]),
    action(["repaired", "fixed"], ["repair", "fix"]),
    action(["built", "constructed"], ["build", "construct"]),
    action(["found", "discovered"], ["find", "discover"]),
    action(["lost", "misplaced"], ["lose", "misplace"]),
    action(["studied", "examined"], ["study", "examine"]),
    action(["painted", "drew"], ["paint", "draw"]),
    action(["sold", "traded"], ["sell", "trade"]),
    action(["broke", "smashed"], ["break", "smash"]),
    action(["moved", "carried"], ["move", "carry"]),
];

/// Nouns for things, each with a synonym.
pub const THINGS: &[[&str; 2]] = &[
    ["car", "automobile"],
    ["boat", "vessel"],
    ["house", "home"],
    ["picture", "image"],
    ["book", "volume"],
    ["coat", "jacket"],
    ["stone", "rock"],
    ["lamp", "light"],
    ["gift", "present"],
    ["statue", "sculpture"],
];

/// Adjectives of things, each with a synonym.
pub const QUALITIES: &[[&str; 2]] =
    &[["old", "ancient"], ["small", "little"], ["big", "large"], ["costly", "expensive"], ["odd", "strange"]];

pub const WORKS: &[&str] =
    &["film", "movie", "story", "plot", "script", "cast", "ending", "music", "comedy", "drama", "scene", "dialogue"];

pub const INTENSIFIERS: &[&str] = &["very", "truly", "quite", "rather", "really", "so"];

pub const PRAISE: &[&str] = &[
    "brilliant",
    "charming",
    "clever",
    "delightful",
    "funny",
    "gripping",
    "lovely",
    "moving",
    "superb",
    "warm",
    "witty",
    "wonderful",
];

pub const BLAME: &[&str] =
    &["awful", "boring", "clumsy", "dull", "flat", "hollow", "lifeless", "messy", "silly", "stale", "tedious", "weak"];

pub const LIKED: &[&str] = &["loved", "enjoyed", "admired"];

pub const DISLIKED: &[&str] = &["hated", "disliked", "regretted"];

/// Nouns that act: singular, plural.
pub const ACTORS: &[[&str; 2]] = &[
    ["farmer", "farmers"],
    ["teacher", "teachers"],
    ["doctor", "doctors"],
    ["singer", "singers"],
    ["child", "children"],
    ["woman", "women"],
    ["pilot", "pilots"],
    ["baker", "bakers"],
];

/// Verbs that agree: third person singular, plural.
pub const AGREEING: &[[&str; 2]] = &[
    ["walks", "walk"],
    ["sings", "sing"],
    ["sleeps", "sleep"],
    ["waits", "wait"],
    ["works", "work"],
    ["laughs", "laugh"],
    ["reads", "read"],
    ["swims", "swim"],
];

/// Determiners that agree: singular, plural.
pub const DETERMINERS: &[[&str; 2]] = &[["this", "these"], ["that", "those"], ["the", "the"], ["every", "all"]];

pub const MANNERS: &[&str] = &["quietly", "often", "slowly", "happily", "rarely", "together"];

pub const WHERE: &[&str] = &["in the garden", "near the river", "at the market", "behind the school", "on the bridge"];

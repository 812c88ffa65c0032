//! Nouns, verbs and adjectives in the forms that agreement and word order ask for.
//!
//! Of every table each fourth entry is held back from train (`dice`).

use crate::words::Words;

/// Singular and plural.
pub type Noun = [&'static str; 2];

pub const PERSONS: &[Noun] = &[
    ["farmer", "farmers"],
    ["teacher", "teachers"],
    ["doctor", "doctors"],
    ["merchant", "merchants"],
    ["singer", "singers"],
    ["child", "children"],
    ["neighbour", "neighbours"],
    ["traveller", "travellers"],
    ["pilot", "pilots"],
    ["baker", "bakers"],
    ["soldier", "soldiers"],
    ["captain", "captains"],
    ["thief", "thieves"],
    ["lawyer", "lawyers"],
    ["student", "students"],
    ["officer", "officers"],
    ["servant", "servants"],
    ["poet", "poets"],
    ["guest", "guests"],
    ["prisoner", "prisoners"],
    ["clerk", "clerks"],
    ["friend", "friends"],
    ["judge", "judges"],
    ["stranger", "strangers"],
];

/// Things that lie about.
pub const OBJECTS: &[Noun] = &[
    ["key", "keys"],
    ["letter", "letters"],
    ["picture", "pictures"],
    ["garment", "garments"],
    ["book", "books"],
    ["box", "boxes"],
    ["lamp", "lamps"],
    ["jewel", "jewels"],
    ["chair", "chairs"],
    ["coin", "coins"],
    ["basket", "baskets"],
    ["weapon", "weapons"],
    ["bottle", "bottles"],
    ["flag", "flags"],
    ["ring", "rings"],
    ["parcel", "parcels"],
];

/// Nouns that come between a subject and its verb.
pub const ATTRACTORS: &[Noun] = &[
    ["cabinet", "cabinets"],
    ["gate", "gates"],
    ["tower", "towers"],
    ["castle", "castles"],
    ["tree", "trees"],
    ["house", "houses"],
    ["ship", "ships"],
    ["palace", "palaces"],
    ["window", "windows"],
    ["church", "churches"],
    ["garden", "gardens"],
    ["cottage", "cottages"],
    ["table", "tables"],
    ["bridge", "bridges"],
    ["wall", "walls"],
    ["temple", "temples"],
];

pub const BETWEEN: Words = &["near", "behind", "beside", "beyond", "in front of", "next to", "close to", "opposite"];

/// Verbs without object: base, third person, past, participle, `-ing`.
pub const RESTING: &[[&str; 5]] = &[
    ["walk", "walks", "walked", "walked", "walking"],
    ["sing", "sings", "sang", "sung", "singing"],
    ["sleep", "sleeps", "slept", "slept", "sleeping"],
    ["dance", "dances", "danced", "danced", "dancing"],
    ["work", "works", "worked", "worked", "working"],
    ["laugh", "laughs", "laughed", "laughed", "laughing"],
    ["swim", "swims", "swam", "swum", "swimming"],
    ["weep", "weeps", "wept", "wept", "weeping"],
    ["speak", "speaks", "spoke", "spoken", "speaking"],
    ["pray", "prays", "prayed", "prayed", "praying"],
    ["smile", "smiles", "smiled", "smiled", "smiling"],
    ["wander", "wanders", "wandered", "wandered", "wandering"],
];

/// Verbs that need an object: base, past, participle.
pub const TAKING: &[[&str; 3]] = &[
    ["buy", "bought", "bought"],
    ["find", "found", "found"],
    ["take", "took", "taken"],
    ["admire", "admired", "admired"],
    ["carry", "carried", "carried"],
    ["praise", "praised", "praised"],
    ["examine", "examined", "examined"],
    ["discover", "discovered", "discovered"],
    ["wear", "wore", "worn"],
    ["keep", "kept", "kept"],
    ["repair", "repaired", "repaired"],
    ["mention", "mentioned", "mentioned"],
];

/// The past, and what it would be if it were regular.
pub const IRREGULAR: &[[&str; 2]] = &[
    ["took", "taked"],
    ["bought", "buyed"],
    ["found", "finded"],
    ["brought", "bringed"],
    ["kept", "keeped"],
    ["lost", "losed"],
    ["broke", "breaked"],
    ["chose", "choosed"],
    ["stole", "stealed"],
    ["drew", "drawed"],
    ["hid", "hided"],
    ["sold", "selled"],
];

/// Positive and comparative.
pub const GRADES: &[[&str; 2]] = &[
    ["old", "older"],
    ["tall", "taller"],
    ["small", "smaller"],
    ["poor", "poorer"],
    ["strong", "stronger"],
    ["young", "younger"],
    ["rich", "richer"],
    ["proud", "prouder"],
    ["weak", "weaker"],
    ["slow", "slower"],
    ["quick", "quicker"],
    ["wise", "wiser"],
    ["kind", "kinder"],
    ["cold", "colder"],
    ["bright", "brighter"],
    ["clever", "cleverer"],
];

/// Persons with their reflexive pronoun, by gender.
pub const MASCULINE: Words = &["boy", "father", "king", "nephew", "man", "brother", "uncle", "gentleman"];
pub const FEMININE: Words = &["girl", "mother", "queen", "niece", "woman", "sister", "aunt", "lady"];

/// Verbs about oneself.
pub const REFLEXIVE: Words = &["blamed", "hurt", "saw", "deceived", "praised", "washed", "defended", "amused"];

/// Subject and object form.
pub const PRONOUNS: &[[&str; 2]] = &[["he", "him"], ["she", "her"], ["they", "them"], ["we", "us"]];

/// Verbs before `to walk`, and before `walking`.
pub const BEFORE_TO: Words = &["wants", "hopes", "refuses", "desires", "decides", "agrees", "plans", "promises"];
pub const BEFORE_ING: Words = &["enjoys", "avoids", "keeps", "dreads", "stops", "finishes", "dislikes", "misses"];

pub const ADJECTIVES: Words = &[
    "old",
    "heavy",
    "small",
    "ancient",
    "dirty",
    "broken",
    "beautiful",
    "costly",
    "strange",
    "empty",
    "red",
    "precious",
    "black",
    "new",
    "lost",
    "little",
];

pub const MANNERS: Words = &["quietly", "often", "slowly", "rarely", "happily", "always", "softly", "seldom"];

pub const PLACES: Words = &[
    "in the garden",
    "near the river",
    "at the market",
    "behind the school",
    "on the bridge",
    "in the kitchen",
    "by the sea",
    "in the forest",
    "under the tree",
    "at the inn",
    "in the street",
    "before the church",
];

pub const PAST_TIMES: Words = &["yesterday", "last night", "a year ago", "last summer"];
pub const FUTURE_TIMES: Words = &["tomorrow", "next week", "next year", "next summer"];

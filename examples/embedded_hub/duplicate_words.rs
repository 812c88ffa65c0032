//! What the made-up QQP asks: the questions of one list, and the phrases of one list, mean the same.

use crate::words::Words;

pub const INTENTS: &[Words] = &[
    &[
        "How can I {do} {where}?",
        "What is the best way to {do} {where}?",
        "How does one {do} {where}?",
        "In what manner should I {do} {where}?",
    ],
    &[
        "How long does it take to {do} {where}?",
        "How much time do I need to {do} {where}?",
        "How many weeks must I spend to {do} {where}?",
    ],
    &["Why should I {do} {where}?", "Is there a good reason to {do} {where}?", "What do I gain if I {do} {where}?"],
    &[
        "How much does it cost to {do} {where}?",
        "How much money do I need to {do} {where}?",
        "What must I pay to {do} {where}?",
    ],
    &[
        "Is it hard to {do} {where}?",
        "Is it difficult to {do} {where}?",
        "Do people find it hard to {do} {where}?",
        "Should I expect trouble when I {do} {where}?",
    ],
    &[
        "Who can help me to {do} {where}?",
        "Whom should I ask for help to {do} {where}?",
        "Who will assist me if I {do} {where}?",
    ],
    &["Is it dangerous to {do} {where}?", "Can it hurt me to {do} {where}?", "Do I run a risk if I {do} {where}?"],
    &[
        "What tools do I need to {do} {where}?",
        "Which tools are used to {do} {where}?",
        "With what instruments does one {do} {where}?",
    ],
    &["Is it allowed to {do} {where}?", "May one {do} {where}?", "Does the law permit me to {do} {where}?"],
    &[
        "How old must a child be to {do} {where}?",
        "At what age can a child {do} {where}?",
        "From which age may a child {do} {where}?",
    ],
];

pub const ACTIVITIES: &[Words] = &[
    &["learn French", "study French"],
    &["paint a portrait", "make a portrait"],
    &["grow roses", "raise roses", "cultivate roses"],
    &["raise chickens", "keep poultry"],
    &["bake bread", "make bread"],
    &["train a dog", "teach a dog to obey", "tame a dog"],
    &["write a letter", "compose a letter"],
    &["sell a farm", "find a buyer for a farm"],
    &["repair a clock", "fix a clock", "mend a clock"],
    &["catch fish", "go fishing", "fish"],
    &["build a boat", "construct a boat"],
    &["brew beer", "make beer"],
    &["play the violin", "play the fiddle"],
    &["rent a room", "hire a room", "take lodgings"],
    &["save money", "put money aside"],
    &["settle a quarrel", "end a dispute"],
    &["lose weight", "become thinner", "grow slender"],
    &["find work", "get a job", "obtain employment"],
    &["speak in public", "make a speech"],
    &["tell a story", "narrate a tale"],
    &["buy a house", "purchase a house", "acquire a home"],
    &["become a doctor", "become a physician"],
    &["publish a book", "bring out a book"],
    &["cure a fever", "treat a fever"],
    &["hunt rabbits", "shoot rabbits"],
    &["open a shop", "start a shop"],
    &["clean a carpet", "wash a carpet"],
    &["climb a mountain", "reach the top of a mountain"],
];

pub const CIRCUMSTANCES: &[Words] = &[
    &["in {city}"],
    &["near {city}", "close to {city}"],
    &["in winter", "in the cold season"],
    &["in summer", "in the hot season"],
    &["at home", "in my own house"],
    &["in the country", "in a village"],
    &["without a teacher", "with no teacher"],
    &["in old age", "when I am old"],
    &["on a small income", "with little money"],
    &["in a foreign land", "abroad"],
    &["in the city", "in a large town"],
    &["at night", "after dark"],
];

pub const ROUTES: &[Words] = &[
    &[
        "How do I get from {a} to {b}?",
        "What is the best way to travel from {a} to {b}?",
        "How can I reach {b} if I start from {a}?",
    ],
    &[
        "How far is it from {a} to {b}?",
        "What is the distance from {a} to {b}?",
        "How many miles lie on the road from {a} to {b}?",
    ],
    &[
        "How long is the journey from {a} to {b}?",
        "How many hours does it take to go from {a} to {b}?",
        "How much time passes before a train from {a} reaches {b}?",
    ],
    &[
        "What does a ticket from {a} to {b} cost?",
        "How much must I pay to travel from {a} to {b}?",
        "What is the fare for the train from {a} to {b}?",
    ],
    &[
        "When does the first train leave {a} for {b}?",
        "At what hour can I take the first train from {a} to {b}?",
        "When does the earliest train from {a} to {b} start?",
    ],
];

/// A comparative and its opposite.
pub const SIZES: &[(&str, &str)] = &[
    ("larger", "smaller"),
    ("older", "younger"),
    ("richer", "poorer"),
    ("colder", "warmer"),
    ("cleaner", "dirtier"),
    ("cheaper", "dearer"),
    ("safer", "more dangerous"),
    ("noisier", "quieter"),
];

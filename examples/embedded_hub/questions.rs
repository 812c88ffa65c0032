//! Made-up SQuAD: passages of two to four sentences, and a question about who, where or when.
//!
//! Every sentence of a passage has its own person, action, thing, place and day, so that a question has one answer; a
//! model that only sees the kind of word asked for is right once in as many times as there are sentences.

use crate::dice::Dice;
use crate::words::{ACTIONS, DAYS, PEOPLE, PLACES, THINGS};

/// One question with its passage. `start` counts code points, which are bytes here: the text is ASCII.
pub struct Question {
    pub title: &'static str,
    pub context: String,
    pub question: String,
    pub answer: &'static str,
    pub start: usize,
    /// The sentences of the context, for keeping splits apart.
    pub sentences: Vec<String>,
}

struct Fact {
    person: &'static str,
    action: usize,
    thing: &'static str,
    place: &'static str,
    day: &'static str,
}

impl Fact {
    fn sentence(&self) -> String {
        let Fact { person, thing, place, day, .. } = self;
        format!("{person} {} the {thing} in {place} on {day}.", ACTIONS[self.action].past[0])
    }

    /// The question of a kind (who, where, when) and its answer.
    fn ask(&self, kind: usize) -> (String, &'static str) {
        let Fact { person, thing, place, day, .. } = self;
        let action = &ACTIONS[self.action];
        match kind {
            0 => (format!("Who {} the {thing}?", action.past[0]), person),
            1 => (format!("Where did {person} {} the {thing}?", action.base[0]), place),
            _ => (format!("When did {person} {} the {thing}?", action.base[0]), day),
        }
    }
}

/// A passage and its question.
pub fn squad(dice: &mut Dice) -> Question {
    let facts = passage(dice);
    let sentences: Vec<String> = facts.iter().map(Fact::sentence).collect();
    let asked = dice.below(facts.len());
    let kind = dice.below(3);
    let (question, answer) = facts[asked].ask(kind);
    let before: usize = sentences[..asked].iter().map(|sentence| sentence.len() + 1).sum();
    let within = sentences[asked].find(answer).expect("a sentence tells its fact's person, place and day");
    Question {
        title: "Made-up news",
        context: sentences.join(" "),
        question,
        answer,
        start: before + within,
        sentences,
    }
}

/// Two to four facts that differ in everything.
fn passage(dice: &mut Dice) -> Vec<Fact> {
    let count = 2 + dice.below(3);
    let mut columns = [PEOPLE.len(), ACTIONS.len(), THINGS.len(), PLACES.len(), DAYS.len()]
        .map(|size| dice.distinct(size, count).into_iter());
    let mut next = |column: usize| columns[column].next().expect("`count` indices were drawn for each column");
    (0..count)
        .map(|_| Fact {
            person: PEOPLE[next(0)],
            action: next(1),
            thing: THINGS[next(2)][0],
            place: PLACES[next(3)],
            day: DAYS[next(4)],
        })
        .collect()
}

//! Made-up SQuAD: passages of two or three sentences, and a question about who, what, where, when, why, with whom or
//! how many.
//!
//! The things of a passage differ, and so do its pairs of person and deed, so that a question has one answer; persons
//! and deeds alone may come twice. In the variant of SQuAD 2.0, a third of the questions ask what the passage does not
//! tell of that event, though it may tell it of another, or take another deed for granted.

use crate::dice::Dice;
use crate::facts::Event;
use crate::frames::capitalised;
use crate::relevance::choose;
use crate::story::{Asked, Story};
use crate::words::VILLAGE;

/// One question with its passage. `start` counts code points, which are bytes here: the text is ASCII.
pub struct Question {
    pub title: String,
    pub context: String,
    pub question: String,
    /// `None` if the passage does not tell; `start` is 0 then.
    pub answer: Option<String>,
    pub start: usize,
    /// The sentences of the context, for keeping splits apart.
    pub sentences: Vec<String>,
}

/// A passage and a question that it answers.
pub fn squad(dice: &mut Dice) -> Question {
    question(dice, true)
}

/// A passage and a question that it answers two times of three.
pub fn squad_v2(dice: &mut Dice) -> Question {
    let answerable = dice.chance(0.67);
    question(dice, answerable)
}

fn question(dice: &mut Dice, answerable: bool) -> Question {
    let stories = passage(dice);
    let sentences: Vec<String> = stories.iter().map(|story| story.sentence(dice)).collect();
    let index = dice.below(stories.len());
    let story = &stories[index];
    let mistaken = !answerable && dice.chance(0.4);
    let asked = choose(dice, |asked| match mistaken {
        true => story.tells(asked) && asked != Asked::What,
        false => story.tells(asked) == answerable && (asked != Asked::HowMany || story.plural),
    });
    let question = if mistaken { of_another_deed(dice, story, asked) } else { story.ask(dice, asked) };
    let context = sentences.join(" ");
    let before: usize = sentences[..index].iter().map(|sentence| sentence.len() + 1).sum();
    let found = answerable.then(|| find(&sentences[index], &story.answer(asked)));
    let start = found.map_or(0, |within| before + within);
    let answer = found.map(|_| context[start..start + story.answer(asked).len()].to_string());
    Question { title: title(&stories), question, context, answer, start, sentences }
}

/// A question that takes for granted that something else was done to this thing, of which a passage tells once only.
fn of_another_deed(dice: &mut Dice, story: &Story, asked: Asked) -> String {
    let event = story.event.changed(dice, &VILLAGE, 1);
    story.about(dice, event).ask(dice, asked)
}

/// Where the answer stands as whole words; its first letter may be a large one.
fn find(sentence: &str, answer: &str) -> usize {
    if sentence.starts_with(&capitalised(answer)) {
        return 0;
    }
    let whole = |start: &usize| {
        let (before, after) = (&sentence[..*start], &sentence[start + answer.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    };
    let mut places = sentence.match_indices(answer).map(|(start, _)| start);
    places.find(whole).expect("a story's sentence tells what the story says it tells")
}

fn title(stories: &[Story]) -> String {
    format!("News from {}", stories[0].event.place)
}

/// Two or three stories, of other things each, and of a person or a deed that another one has at times.
fn passage(dice: &mut Dice) -> Vec<Story> {
    let count = 2 + dice.below(2);
    let mut stories: Vec<Story> = Vec::with_capacity(count);
    while stories.len() < count {
        let mut event = Event::throw(dice, &VILLAGE);
        if let Some(last) = stories.last() {
            match dice.below(4) {
                0 => event.agent = last.event.agent,
                1 => event.action = last.event.action,
                _ => {}
            }
        }
        if stories.iter().all(|story| differ(&story.event, &event)) {
            stories.push(Story::of(dice, event));
        }
    }
    stories
}

/// A question must fit one of them only.
fn differ(first: &Event, second: &Event) -> bool {
    first.thing != second.thing && (first.agent != second.agent || first.action != second.action)
}

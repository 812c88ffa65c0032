//! `normalize_answer` of the official scripts: lower-case, remove punctuation, remove articles, collapse white space.
//!
//! Every step is Python's, and Python's ideas of text are not Rust's:
//! - Punctuation is `string.punctuation`, ASCII only, and is *removed*: "twenty-five" becomes "twentyfive".
//! - `\b(a|an|the)\b` stands between `\w` characters, which for Python are letters (general category L), numbers (N)
//!   and the underscore. Combining marks are none of them, so a decomposed "á" loses its "a"; "½" is one, so "a½" does
//!   not. The regex crate's own `\w` has marks in and "½" out, and `char::is_alphabetic` has some marks in.
//! - White space is that of `str.split`: U+001C to U+001F, which Rust leaves out, belong to it.

use regex::Regex;
use std::sync::LazyLock;

static LETTER_OR_NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\p{L}\p{N}]").expect("the pattern is a constant"));

const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// An answer as the official scripts compare it.
pub fn normalize_answer(text: &str) -> String {
    // Python's lower() and Rust's to_lowercase() are both the full Unicode mapping, final sigma included
    let lower = text.to_lowercase();
    let unpunctuated: String = lower.chars().filter(|character| !character.is_ascii_punctuation()).collect();
    let without_articles = blank_articles(&unpunctuated);
    let words: Vec<&str> = without_articles.split(is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Replaces each article that is a whole run of word characters by a blank; that is what `\b…\b` around three words
/// made of word characters comes to.
fn blank_articles(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        let (gap, next) = after.split_at(after.find(is_word).unwrap_or(after.len()));
        blanked.push_str(if ARTICLES.contains(&word) { " " } else { word });
        blanked.push_str(gap);
        rest = next;
    }
    blanked
}

/// Python's `\w`.
fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    LETTER_OR_NUMBER.is_match(character.encode_utf8(&mut [0; 4]))
}

/// Python's `str.isspace`, as `str.split` uses it.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: normalize_answer of evaluate-v2.0.py under Python 3.11.

    #[test]
    fn punctuation_is_removed_before_articles_are() {
        assert_eq!(normalize_answer("The  Twenty-Five (a.k.a. 25)!"), "twentyfive aka 25");
        assert_eq!(normalize_answer("a. an, the; -"), "");
        assert_eq!(normalize_answer("“the end”"), "“ end”");
    }

    #[test]
    fn words_end_where_python_ends_them() {
        assert_eq!(normalize_answer("a\u{301}rbol"), "\u{301}rbol");
        assert_eq!(normalize_answer("a\u{200d}b"), "\u{200d}b");
        assert_eq!(normalize_answer("a½ a² aⅧ á"), "a½ a² aⅷ á");
        assert_eq!(normalize_answer("anthem then a1 an"), "anthem then a1");
        assert_eq!(normalize_answer("Ⓐ aⓐ"), "ⓐ ⓐ");
    }

    #[test]
    fn white_space_is_that_of_split() {
        assert_eq!(normalize_answer("one\u{a0}two\u{1c}three\u{3000}four"), "one two three four");
        assert_eq!(normalize_answer("one\u{200b}two \u{feff}"), "one\u{200b}two \u{feff}");
    }

    #[test]
    fn lower_case_knows_the_final_sigma() {
        assert_eq!(normalize_answer("ΟΔΟΣ ΣΑΣ İ"), "οδος σας i\u{307}");
    }
}

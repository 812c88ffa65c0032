//! Words as the Penn Treebank has them: what GLUE's baselines read (`nltk.word_tokenize`).
//!
//! Blanks separate words, and punctuation and the ends of contractions are words of their own: `can't` is `ca n't`, `dog's`
//! is `dog 's`, `cannot` is `can not`. A straight double quote becomes `` `` `` at the beginning of a word and `''` elsewhere.
//! A comma or colon before a digit stays, and so does a period that ends no sentence.
//!
//! Later rules of NLTK's own are not here: `*` and runs of dots or of backticks as words, a quote or an apostrophe that opens
//! inside a word, `d'ye`, `more'n`.
//!
//! NLTK finds the ends of sentences by a trained model (Punkt), which is not here. A period ends a sentence where the text
//! ends or the next word's first letter is a capital or a digit, unless the word is an abbreviation: a single letter, a word
//! with a period inside, or one of [`ABBREVIATIONS`].

/// Words whose period is their own.
const ABBREVIATIONS: [&str; 40] = [
    "adm", "apr", "assn", "aug", "ave", "blvd", "bros", "capt", "cmdr", "co", "col", "corp", "dec", "dept", "dr",
    "feb", "gen", "gov", "inc", "jan", "jr", "lt", "ltd", "maj", "mr", "mrs", "ms", "no", "nov", "oct", "prof", "rep",
    "rev", "sen", "sept", "sgt", "sr", "st", "vol", "vs",
];

/// Ends of contractions that are words; `n't` takes its `n` along.
const CLITICS: [&str; 7] = ["n't", "'ll", "'re", "'ve", "'s", "'m", "'d"];

/// Words that are two, and the letters of the first.
const JOINED: [(&str, usize); 6] =
    [("cannot", 3), ("gimme", 3), ("gonna", 3), ("gotta", 3), ("lemme", 3), ("wanna", 3)];

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<String> {
    let chunks: Vec<&str> = text.split_whitespace().collect();
    let mut words = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let ends = ends_sentence(chunk, chunks.get(at + 1).copied());
        pieces(chunk, ends).iter().for_each(|piece| split_contraction(piece, &mut words));
    }
    words
}

/// Whether the period of a chunk ends a sentence.
fn ends_sentence(chunk: &str, next: Option<&str>) -> bool {
    let Some(next) = next else { return true };
    let first = next.chars().find(|c| c.is_alphanumeric());
    if !first.is_some_and(|first| first.is_uppercase() || first.is_numeric()) {
        return false;
    }
    let core = chunk.trim_end_matches(is_closing).trim_end_matches('.');
    let word = core.trim_start_matches(|c: char| !c.is_alphanumeric());
    let short = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    !(short || word.contains('.') || ABBREVIATIONS.contains(&word.to_lowercase().as_str()))
}

fn is_closing(c: char) -> bool {
    "])}>\"'".contains(c)
}

/// A chunk without blanks cut at its punctuation.
fn pieces(chunk: &str, ends_sentence: bool) -> Vec<String> {
    let chars: Vec<char> = chunk.chars().collect();
    let period = if ends_sentence { last_period(&chars) } else { None };
    let (mut pieces, mut word, mut at) = (Vec::new(), String::new(), 0);
    while at < chars.len() {
        let taken = match mark(&chars, at, period) {
            None => {
                word.push(chars[at]);
                1
            }
            Some((piece, taken)) => {
                pieces.extend([std::mem::take(&mut word), piece].into_iter().filter(|piece| !piece.is_empty()));
                taken
            }
        };
        at += taken;
    }
    pieces.extend(Some(word).filter(|word| !word.is_empty()));
    pieces
}

/// Place of a single period at the end, closing quotes and brackets aside.
fn last_period(chars: &[char]) -> Option<usize> {
    let at = chars.iter().rposition(|c| !is_closing(*c))?;
    let alone = chars[at] == '.' && (at == 0 || chars[at - 1] != '.');
    alone.then_some(at)
}

/// The mark that stands at a place and is a word of its own, and how many characters it takes.
fn mark(chars: &[char], at: usize, period: Option<usize>) -> Option<(String, usize)> {
    let run = |of: char| chars[at..].iter().take_while(|c| **c == of).count();
    let alone = || Some((chars[at].to_string(), 1));
    match chars[at] {
        '"' => Some((if opens(chars, at) { "``" } else { "''" }.to_owned(), 1)),
        '\'' if at == 0 && opens_word(&chars[1..]) => alone(),
        '\'' if run('\'') == 2 => Some((if opens(chars, at) { "``" } else { "''" }.to_owned(), 2)),
        '`' if run('`') == 2 => Some(("``".to_owned(), 2)),
        '.' if run('.') > 2 => Some(("...".to_owned(), 3)),
        '.' if period == Some(at) => alone(),
        '-' if run('-') > 1 => Some(("--".to_owned(), 2)),
        ',' | ':' if chars.get(at + 1).is_none_or(|next| !next.is_ascii_digit()) => alone(),
        ';' | '@' | '#' | '$' | '%' | '&' | '?' | '!' => alone(),
        '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' => alone(),
        '“' | '”' | '‘' | '’' | '„' | '«' | '»' | '…' | '—' | '–' => alone(),
        _ => None,
    }
}

/// Whether a quote at a place opens: at the beginning or behind an opening bracket.
fn opens(chars: &[char], at: usize) -> bool {
    at == 0 || "([{<".contains(chars[at - 1])
}

/// Whether a single quote before these opens a word, and is no clitic's.
fn opens_word(after: &[char]) -> bool {
    let word: String = after.iter().take_while(|c| c.is_alphanumeric()).flat_map(|c| c.to_lowercase()).collect();
    word.chars().count() > 1 && !["ll", "re", "ve"].contains(&word.as_str())
}

/// A piece in one word or two.
fn split_contraction(piece: &str, words: &mut Vec<String>) {
    let lower = piece.to_ascii_lowercase();
    let joined = JOINED.iter().find(|(whole, _)| *whole == lower).map(|(_, first)| *first);
    let clitic = CLITICS.iter().find(|end| lower.len() > end.len() && lower.ends_with(**end));
    let quote = (piece.len() > 1 && piece.ends_with('\'') && piece != "''").then(|| piece.len() - 1);
    match joined.or(clitic.map(|end| piece.len() - end.len())).or(quote) {
        None => words.push(piece.to_owned()),
        Some(first) => words.extend([piece[..first].to_owned(), piece[first..].to_owned()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        words(text).join(" ")
    }

    // As `NLTKWordTokenizer` of nltk 3.9 has each sentence.
    #[test]
    fn words_are_those_of_nltk() {
        let cases = [
            ("Good muffins cost $3.88 in New York.", "Good muffins cost $ 3.88 in New York ."),
            ("They can't; we cannot, he'd.", "They ca n't ; we can not , he 'd ."),
            ("The dogs' owner's 1,000 books: 3:15", "The dogs ' owner 's 1,000 books : 3:15"),
            ("\"Quoted,\" he said (\"twice\")...", "`` Quoted , '' he said ( `` twice '' ) ..."),
            ("Mr. Smith came. Then -- silence!", "Mr. Smith came . Then -- silence !"),
            ("it is n't 's", "it is n't 's"),
            ("a...b --- x---y 'tis 'quoted' `` a ''", "a ... b -- - x -- -y ' tis ' quoted ' `` a ``"),
            (
                "e.g. 50% #1 @home A&B [x] <z> 10,000.5 a,b 3,a",
                "e.g. 50 % # 1 @ home A & B [ x ] < z > 10,000.5 a , b 3 , a",
            ),
            ("the '90s, o'clock rock 'n' roll (he said.)", "the ' 90s , o'clock rock 'n ' roll ( he said . )"),
            ("end.) 'end.' \"end.\"", "end. ) ' end. ' `` end . ''"),
            ("Ünïcode—dash ‘quotes’ 日本", "Ünïcode — dash ‘ quotes ’ 日本"),
        ];
        for (text, expected) in cases {
            assert_eq!(joined(text), expected);
        }
    }

    #[test]
    fn a_period_that_ends_no_sentence_stays() {
        assert_eq!(joined("the U.S. and www.a.com are x.y"), "the U.S. and www.a.com are x.y");
        assert_eq!(joined("one. two"), "one. two");
        assert_eq!(joined("He left. \"Why?\""), "He left . `` Why ? ''");
    }

    #[test]
    fn nothing_has_no_words() {
        assert_eq!(words(" \t "), Vec::<String>::new());
    }
}

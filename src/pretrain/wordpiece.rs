//! A WordPiece vocabulary from word counts, by byte-pair merges (Sennrich et al. 2016) with `##` before what goes on with a
//! word, as the `tokenizers` library makes one; but the same for the same counts, whatever the order they come in, since
//! ties are broken by the tokens themselves.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// Characters that get a token of their own: the most frequent ones.
const ALPHABET: usize = 1000;
/// A pair that stands less often is not merged.
const LEAST: u64 = 2;

/// A word as token numbers, and how often it stands.
struct Word {
    tokens: Vec<u32>,
    count: u64,
}

/// Tokens by number, and numbers by token.
#[derive(Default)]
struct Tokens {
    list: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Tokens {
    fn number(&mut self, token: &str) -> u32 {
        if let Some(number) = self.numbers.get(token) {
            return *number;
        }
        let number = self.list.len() as u32;
        self.list.push(token.to_owned());
        self.numbers.insert(token.to_owned(), number);
        number
    }
}

/// The vocabulary of at most `size` tokens: special ones, characters, then merges in their order. The least size where that
/// is too small for the characters.
pub fn vocabulary(counts: &BTreeMap<String, u64>, special: &[&str], size: usize) -> Result<Vec<String>, usize> {
    let mut tokens = Tokens::default();
    for token in special {
        tokens.number(token);
    }
    let mut words = split(counts, &mut tokens);
    if tokens.list.len() > size {
        return Err(tokens.list.len());
    }
    let mut pairs = Pairs::of(&words);
    while tokens.list.len() < size {
        let Some(pair) = pairs.best() else { break };
        let merged = merged(&tokens.list[pair.0 as usize], &tokens.list[pair.1 as usize]);
        let number = tokens.number(&merged);
        pairs.merge(&mut words, pair, number);
    }
    Ok(tokens.list)
}

fn merged(first: &str, second: &str) -> String {
    format!("{first}{}", second.strip_prefix("##").unwrap_or(second))
}

/// Words as characters; a word with a character outside the alphabet is left out. Characters that begin words come first,
/// then those inside, each in order.
fn split(counts: &BTreeMap<String, u64>, tokens: &mut Tokens) -> Vec<Word> {
    let mut characters: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in counts {
        word.chars().for_each(|character| *characters.entry(character).or_default() += count);
    }
    let mut frequent: Vec<(Reverse<u64>, char)> =
        characters.into_iter().map(|(c, count)| (Reverse(count), c)).collect();
    frequent.sort_unstable();
    let mut alphabet: Vec<char> = frequent.into_iter().take(ALPHABET).map(|(_, character)| character).collect();
    alphabet.sort_unstable();
    for character in &alphabet {
        tokens.number(&character.to_string());
    }
    let known = |word: &str| word.chars().all(|character| alphabet.binary_search(&character).is_ok());
    let used: Vec<(&String, &u64)> = counts.iter().filter(|(word, _)| known(word)).collect();
    let mut inside: Vec<char> = used.iter().flat_map(|(word, _)| word.chars().skip(1)).collect();
    inside.sort_unstable();
    inside.dedup();
    for character in inside {
        tokens.number(&format!("##{character}"));
    }
    let mut number = |(at, character): (usize, char)| {
        if at == 0 { tokens.number(&character.to_string()) } else { tokens.number(&format!("##{character}")) }
    };
    used.into_iter()
        .map(|(word, count)| Word { tokens: word.chars().enumerate().map(&mut number).collect(), count: *count })
        .collect()
}

/// Neighbouring tokens.
type Pair = (u32, u32);

/// How often pairs stand, and in which words.
struct Pairs {
    counts: HashMap<Pair, u64>,
    places: HashMap<Pair, Vec<u32>>,
    /// Candidates with counts that may be out of date.
    heap: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Pairs {
    fn of(words: &[Word]) -> Pairs {
        let mut pairs = Pairs { counts: HashMap::new(), places: HashMap::new(), heap: BinaryHeap::new() };
        for (at, word) in words.iter().enumerate() {
            for pair in word.tokens.windows(2) {
                pairs.add((pair[0], pair[1]), at as u32, word.count);
            }
        }
        let all: Vec<(u64, Reverse<Pair>)> =
            pairs.counts.iter().map(|(pair, count)| (*count, Reverse(*pair))).collect();
        pairs.heap = all.into();
        pairs
    }

    fn add(&mut self, pair: Pair, word: u32, count: u64) {
        *self.counts.entry(pair).or_default() += count;
        let places = self.places.entry(pair).or_default();
        if places.last() != Some(&word) {
            places.push(word);
        }
    }

    /// The most frequent pair; of several the one whose tokens have the lowest numbers, which follow from the counts alone.
    fn best(&mut self) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.heap.pop() {
            let now = self.counts.get(&pair).copied().unwrap_or_default();
            if now == count {
                return (count >= LEAST).then_some(pair);
            }
            if now > 0 {
                self.heap.push((now, Reverse(pair)));
            }
        }
        None
    }

    /// Replaces a pair by one token in every word that has it.
    fn merge(&mut self, words: &mut [Word], pair: Pair, number: u32) {
        let mut changed: Vec<Pair> = Vec::new();
        for at in self.places.remove(&pair).unwrap_or_default() {
            let word = &mut words[at as usize];
            let before = std::mem::take(&mut word.tokens);
            word.tokens = replaced(&before, pair, number);
            if word.tokens.len() == before.len() {
                continue;
            }
            for gone in before.windows(2) {
                let gone = (gone[0], gone[1]);
                if let Some(count) = self.counts.get_mut(&gone) {
                    *count = count.saturating_sub(word.count);
                }
            }
            let (tokens, count) = (word.tokens.clone(), word.count);
            for new in tokens.windows(2) {
                self.add((new[0], new[1]), at, count);
                changed.push((new[0], new[1]));
            }
        }
        self.counts.remove(&pair);
        changed.sort_unstable();
        changed.dedup();
        for pair in changed {
            self.heap.push((self.counts[&pair], Reverse(pair)));
        }
    }
}

fn replaced(tokens: &[u32], pair: Pair, number: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if at + 1 < tokens.len() && (tokens[at], tokens[at + 1]) == pair {
            out.push(number);
            at += 2;
        } else {
            out.push(tokens[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(words: &[(&str, u64)]) -> BTreeMap<String, u64> {
        words.iter().map(|(word, count)| (word.to_string(), *count)).collect()
    }

    /// By hand: `hug` 10, `pug` 5, `hugs` 5. Pairs: ##u##g 20, h##u 15, then `hu`+... after the first merge `##ug`:
    /// h##ug 15, p##ug 5, ##ug##s 5. So `##ug`, `hug`; then p##ug 5 and hug##s 5 tie, and `p` is the lower number.
    #[test]
    fn merges_come_in_the_order_of_their_counts() {
        let found = vocabulary(&counts(&[("hug", 10), ("pug", 5), ("hugs", 5)]), &["[UNK]"], 100).unwrap();
        let expected = ["[UNK]", "g", "h", "p", "s", "u", "##g", "##s", "##u", "##ug", "hug", "pug", "hugs"];
        assert_eq!(found, expected);
        let short = vocabulary(&counts(&[("hug", 10), ("pug", 5), ("hugs", 5)]), &["[UNK]"], 11).unwrap();
        assert_eq!(short, expected[..11]);
        assert_eq!(vocabulary(&counts(&[("hug", 10)]), &["[UNK]"], 5), Err(6));
    }

    /// A merge inside a word changes its neighbours' counts as well, also where a pair stands twice.
    #[test]
    fn a_word_that_repeats_itself_is_merged_throughout() {
        let found = vocabulary(&counts(&[("abab", 3), ("ab", 1)]), &[], 100).unwrap();
        assert_eq!(found, ["a", "b", "##a", "##b", "ab", "##ab", "abab"]);
    }
}

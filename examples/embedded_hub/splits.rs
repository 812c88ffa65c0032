//! Rows dealt out to splits so that no sentence stands in two of them, and train does not see every word.

use crate::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};

/// A row that can name its sentences.
pub trait Sentences {
    /// What must not be seen in another split.
    fn sentences(&self) -> &[String];
    /// What must not be seen twice in the same one: the row as a whole.
    fn identity(&self) -> String;
}

/// Fills the splits, train first, with `sizes` different rows each; the dice are told which split they throw for.
///
/// A row with a sentence of an earlier split is thrown again; each task has far more sentences than are asked for.
pub fn deal<R: Sentences>(dice: &mut Dice, sizes: &[usize], make: fn(&mut Dice) -> R) -> Vec<Vec<R>> {
    let mut owner = BTreeMap::new();
    let mut identities = BTreeSet::new();
    let mut split = |index: usize, size: usize| {
        dice.enter(index);
        let mut rows = Vec::with_capacity(size);
        while rows.len() < size {
            let row = make(dice);
            let free = row.sentences().iter().all(|sentence| *owner.get(sentence).unwrap_or(&index) == index);
            if free && identities.insert(row.identity()) {
                owner.extend(row.sentences().iter().map(|sentence| (sentence.clone(), index)));
                rows.push(row);
            }
        }
        rows
    };
    sizes.iter().enumerate().map(|(index, size)| split(index, *size)).collect()
}

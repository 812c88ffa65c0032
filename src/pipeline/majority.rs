//! What the majority class knows: how often the training split has each label, or its mean number.

use super::inputs::PreparedSplit;
use crate::encode::Target;
use crate::engine::NamedArray;
use crate::family::Parameter;
use std::collections::BTreeMap;

/// The logits of every sequence: `ln((n + 1) / (N + K))` of a label that n of N rows have, K the number of labels; the mean
/// where rows have numbers.
pub fn starting_values<'a>(
    parameters: &[Parameter],
    train: impl Iterator<Item = &'a PreparedSplit>,
) -> BTreeMap<String, NamedArray> {
    let targets = train.flat_map(|split| split.encoded.features.iter().filter_map(|features| features.target.as_ref()));
    let array = |parameter: &Parameter| NamedArray {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        values: logits(parameter.len(), targets),
    };
    parameters.first().map(array).into_iter().map(|array| (array.name.clone(), array)).collect()
}

fn logits<'a>(labels: usize, targets: impl Iterator<Item = &'a Target>) -> Vec<f32> {
    let (mut counts, mut sum, mut rows) = (vec![0_usize; labels], 0.0, 0);
    for target in targets {
        rows += 1;
        match target {
            Target::Class(class) => counts[*class as usize] += 1,
            Target::Value(value) => sum += f64::from(*value),
            _ => {}
        }
    }
    if labels == 1 {
        return vec![(sum / rows.max(1) as f64) as f32];
    }
    let share = |count: &usize| ((count + 1) as f64 / (rows + labels) as f64).ln() as f32;
    counts.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // One and three of four rows, two labels: 2/6 and 4/6. The mean of 1, 2 and 4.5 is 2.5.
    #[test]
    fn the_most_frequent_label_has_the_largest_logit() {
        let rows = [1, 1, 1].map(Target::Class);
        let found = logits(2, rows.iter().chain(&[Target::Class(0)]));
        assert_eq!(found, [(2.0_f64 / 6.0).ln() as f32, (4.0_f64 / 6.0).ln() as f32]);
        let values = [1.0, 2.0, 4.5].map(Target::Value);
        assert_eq!(logits(1, values.iter()), [2.5]);
    }
}

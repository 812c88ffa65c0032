//! Runs that learned nothing, told by name: a collapsed run scores like a constant and must not pass for a weak one.
//!
//! Known from fine-tuning BERT-large on small tasks (Devlin et al. 2019, Section 4.1; Mosbach et al. 2021): the model
//! predicts one class for everything, or its loss never leaves that of guessing.

use super::scoring::Answers;
use crate::task::{Head, Task};
use crate::train::Progress;

/// A mean loss within this share of ln K, K the number of labels, never left the loss of guessing.
const GUESSING: f64 = 0.001;

/// Steps before the loss tells anything. A new head starts at ln K, and healthy runs stay near it while the rate warms up:
/// the reference's curves on RTE and CoLA (`golden/minilm`) are still that near after 24 and 25 steps. From 100 steps on
/// warm-up is over, and the last tenth is a mean of at least ten batches.
const ENOUGH_STEPS: usize = 100;

/// Predictions whose standard deviation is below this are constant.
const CONSTANT: f64 = 1e-4;

/// Why a run counts as collapsed, if it does: from its dev predictions and the mean loss of its last tenth of steps.
pub fn reason<'a>(task: &Task, answers: impl IntoIterator<Item = &'a Answers>, progress: &Progress) -> Option<String> {
    answers.into_iter().find_map(|answers| constant(task, answers)).or_else(|| guessing(task, progress))
}

fn constant(task: &Task, answers: &Answers) -> Option<String> {
    match answers {
        Answers::Classes(classes) => {
            let first = *classes.first()?;
            let one = classes.len() > 1 && classes.iter().all(|class| *class == first);
            one.then(|| format!("one class predicted: `{}`", task.label_name(first)))
        }
        Answers::Values(values) => {
            let constant = values.len() > 1 && deviation(values) < CONSTANT;
            constant.then(|| "predictions without variance".to_string())
        }
        Answers::Tags(tags) => {
            let none = tags.iter().flatten().all(|tag| *tag == 0);
            none.then(|| format!("one tag predicted: `{}`", task.label_name(0)))
        }
        Answers::Texts(_) => None,
    }
}

fn guessing(task: &Task, progress: &Progress) -> Option<String> {
    let tells = task.head == Head::Classification && progress.losses.len() >= ENOUGH_STEPS;
    let loss = progress.final_loss().filter(|_| tells)?;
    let guess = (task.labels.len() as f64).ln();
    ((loss - guess).abs() < GUESSING * guess)
        .then(|| format!("training loss {loss:.4} stayed at ln {}", task.labels.len()))
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::find;

    fn steps(count: usize, loss: f64) -> Progress {
        Progress { losses: vec![loss; count], ..Progress::default() }
    }

    #[test]
    fn one_class_for_everything_is_a_collapse_after_however_few_steps() {
        let mrpc = find("mrpc").unwrap();
        let text = reason(mrpc, &[Answers::Classes(vec![1, 1, 1])], &steps(1, 0.3));
        assert_eq!(text.as_deref(), Some("one class predicted: `equivalent`"));
        assert_eq!(reason(mrpc, &[Answers::Classes(vec![1, 0, 1])], &steps(1, 0.3)), None);
    }

    // ln 2 = 0.6931, ln 3 = 1.0986; a thousandth of it is the limit.
    #[test]
    fn a_loss_that_never_left_guessing_is_a_collapse() {
        let answers = || [Answers::Classes(vec![1, 0])];
        assert!(reason(find("rte").unwrap(), &answers(), &steps(200, 0.6934)).is_some());
        assert!(reason(find("rte").unwrap(), &answers(), &steps(200, 0.66)).is_none());
        assert!(reason(find("mnli").unwrap(), &answers(), &steps(200, 1.0985)).is_some());
    }

    /// Losses of the reference's RTE run at steps 1 to 5, 11 to 14 and 24 (`golden/minilm/finetune_reference.json`): the run
    /// learns later, and stopped at any of them it would pass for collapsed.
    #[test]
    fn a_run_too_short_to_have_left_guessing_is_no_collapse() {
        let early =
            [0.693096, 0.694065, 0.693428, 0.692901, 0.693611, 0.693905, 0.692041, 0.693636, 0.693372, 0.694123];
        let guessed = |progress: &Progress| reason(find("rte").unwrap(), &[Answers::Classes(vec![1, 0])], progress);
        for count in 1..=early.len() {
            assert_eq!(guessed(&Progress { losses: early[..count].to_vec(), ..Progress::default() }), None);
        }
        assert_eq!(guessed(&steps(99, 0.6932)), None);
        assert!(guessed(&steps(100, 0.6932)).is_some());
    }

    #[test]
    fn equal_numbers_for_everything_are_a_collapse() {
        let stsb = find("stsb").unwrap();
        assert!(reason(stsb, &[Answers::Values(vec![2.7, 2.70001])], &Progress::default()).is_some());
        assert!(reason(stsb, &[Answers::Values(vec![2.7, 2.9])], &steps(200, 2f64.ln())).is_none());
    }
}

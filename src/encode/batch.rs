//! The packed batch: sequences end to end, without padding.
//!
//! B sequences, T tokens of all of them together.

use super::Features;

/// What is to be predicted of one sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Index of a label.
    Class(u32),
    /// A number.
    Value(f32),
    /// First and last token of the answer in the sequence; (0, 0), the `[CLS]` token, for none.
    Span(u32, u32),
}

/// The targets of a batch, all of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Nothing is known: the batch can only be predicted.
    Hidden,
    /// Label indices `[B]`.
    Classes(Vec<u32>),
    /// Numbers `[B]`.
    Values(Vec<f32>),
    /// First and last answer token of each sequence, `[B]`.
    Spans(Vec<(u32, u32)>),
}

/// Sequences end to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Token ids `[T]`.
    pub input_ids: Vec<u32>,
    /// Segment ids `[T]`.
    pub token_type_ids: Vec<u32>,
    /// Where each sequence begins, and T at the end: `[B + 1]`, from 0.
    pub cumulative_lengths: Vec<u32>,
    /// What is to be predicted.
    pub targets: Targets,
}

impl Batch {
    /// Packs sequences in the order given. Targets are those of the first sequence's kind; one missing hides them all.
    pub fn pack<'a>(features: impl IntoIterator<Item = &'a Features>) -> Batch {
        let mut batch = Batch {
            input_ids: Vec::new(),
            token_type_ids: Vec::new(),
            cumulative_lengths: vec![0],
            targets: Targets::Hidden,
        };
        let mut targets = Vec::new();
        for sequence in features {
            batch.input_ids.extend(&sequence.input_ids);
            batch.token_type_ids.extend(&sequence.token_type_ids);
            batch.cumulative_lengths.push(batch.input_ids.len() as u32);
            targets.push(sequence.target);
        }
        batch.targets = Targets::collect(&targets);
        batch
    }

    /// Number of sequences, B.
    pub fn len(&self) -> usize {
        self.cumulative_lengths.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tokens, T.
    pub fn tokens(&self) -> usize {
        self.input_ids.len()
    }

    /// Tokens of each sequence, `[B]`.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.cumulative_lengths.windows(2).map(|pair| (pair[1] - pair[0]) as usize)
    }
}

impl Targets {
    fn collect(targets: &[Option<Target>]) -> Targets {
        let all = |pick: fn(&Target) -> bool| targets.iter().all(|target| target.as_ref().is_some_and(pick));
        if targets.is_empty() {
            Targets::Hidden
        } else if all(|target| matches!(target, Target::Class(_))) {
            Targets::Classes(classes(targets))
        } else if all(|target| matches!(target, Target::Value(_))) {
            Targets::Values(values(targets))
        } else if all(|target| matches!(target, Target::Span(..))) {
            Targets::Spans(spans(targets))
        } else {
            Targets::Hidden
        }
    }
}

fn classes(targets: &[Option<Target>]) -> Vec<u32> {
    targets.iter().filter_map(|t| if let Some(Target::Class(class)) = t { Some(*class) } else { None }).collect()
}

fn values(targets: &[Option<Target>]) -> Vec<f32> {
    targets.iter().filter_map(|t| if let Some(Target::Value(value)) = t { Some(*value) } else { None }).collect()
}

fn spans(targets: &[Option<Target>]) -> Vec<(u32, u32)> {
    targets.iter().filter_map(|t| if let Some(Target::Span(s, e)) = t { Some((*s, *e)) } else { None }).collect()
}

//! The packed batch: sequences end to end, without padding.
//!
//! B sequences, T tokens of all of them together.

use super::Features;

/// A token without a label: special tokens, and all but a word's first.
pub const UNLABELLED: u32 = u32::MAX;

/// What is to be predicted of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Index of a label.
    Class(u32),
    /// A number.
    Value(f32),
    /// First and last token of the answer in the sequence; `[CLS]` twice for none.
    Span(u32, u32),
    /// A label for each token, or [`UNLABELLED`].
    Tokens(Vec<u32>),
    /// Of an example of several sequences, which is right; each of them says so.
    Choice(u32),
    /// Of pre-training.
    Masked {
        /// Places that are to be predicted, ascending, and the words that stood there.
        words: Vec<(u32, u32)>,
        /// 0 where the second part is the next one, 1 where it is a random one; `None` where that is not asked.
        next: Option<u32>,
    },
}

impl Target {
    /// Labelled tokens, of targets that have a label each.
    pub fn labelled(&self) -> usize {
        match self {
            Target::Tokens(labels) => labels.iter().filter(|label| **label != UNLABELLED).count(),
            Target::Masked { words, .. } => words.len(),
            _ => 0,
        }
    }
}

/// The targets of a batch, all of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Nothing is known: the batch can only be predicted.
    Hidden,
    /// Label indices, one an example.
    Classes(Vec<u32>),
    /// Numbers, one an example.
    Values(Vec<f32>),
    /// First and last answer token of each sequence, `[B]`.
    Spans(Vec<(u32, u32)>),
    /// A label for each token, or [`UNLABELLED`]: `[T]`.
    Tokens(Vec<u32>),
    /// Right sequence of each example.
    Choices(Vec<u32>),
    /// Of pre-training.
    Masked {
        /// Tokens to be predicted, ascending, `[M]`, each less than T, and the words that stood there.
        words: Vec<(u32, u32)>,
        /// Whether each second part is the next one (0) or not (1): `[B]`, or none.
        next: Vec<u32>,
    },
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
    /// Sequences of an example, which stand behind one another.
    pub together: usize,
    /// Of questions, where the context of each sequence is: first token and end, `[B]`; of other sequences nothing.
    pub contexts: Vec<(u32, u32)>,
    /// What is to be predicted.
    pub targets: Targets,
}

impl Batch {
    /// Packs whole examples in the order given. Targets are those of the first sequence's kind; one missing hides them all.
    pub fn pack<'a>(features: impl IntoIterator<Item = &'a Features>) -> Batch {
        let mut batch = Batch {
            input_ids: Vec::new(),
            token_type_ids: Vec::new(),
            cumulative_lengths: vec![0],
            together: 1,
            contexts: Vec::new(),
            targets: Targets::Hidden,
        };
        let mut targets = Vec::new();
        for sequence in features {
            batch.input_ids.extend(&sequence.input_ids);
            batch.token_type_ids.extend(&sequence.token_type_ids);
            batch.cumulative_lengths.push(batch.input_ids.len() as u32);
            batch.together = sequence.together;
            batch.contexts.extend(sequence.window.as_ref().map(|window| {
                let first = window.first_context_token as u32;
                (first, first + window.offsets.len() as u32)
            }));
            targets.push(sequence.target.as_ref());
        }
        batch.targets = Targets::collect(&targets, &batch.cumulative_lengths, batch.together);
        batch
    }

    /// Whether a token of a sequence may begin or end an answer: one of its context, or its last token, which XLNet has for no
    /// answer. (`p_mask` of its released code.) Where no context is known, any token may.
    pub fn may_answer(&self, sequence: usize, token: usize) -> bool {
        let length = (self.cumulative_lengths[sequence + 1] - self.cumulative_lengths[sequence]) as usize;
        let inside = |(first, end): &(u32, u32)| (*first as usize..*end as usize).contains(&token);
        token + 1 == length || self.contexts.get(sequence).is_none_or(inside)
    }

    /// Number of sequences, B.
    pub fn len(&self) -> usize {
        self.cumulative_lengths.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of examples.
    pub fn examples(&self) -> usize {
        self.len() / self.together
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
    fn collect(targets: &[Option<&Target>], starts: &[u32], together: usize) -> Targets {
        let known: Option<Vec<&Target>> = targets.iter().copied().collect();
        let known = known.and_then(|known| of_examples(&known, together));
        known
            .filter(|known| !known.is_empty())
            .and_then(|known| Self::of_kind(&known, starts))
            .unwrap_or(Targets::Hidden)
    }

    /// The targets together, if all are of the first one's kind.
    fn of_kind(targets: &[&Target], starts: &[u32]) -> Option<Targets> {
        let each = targets.iter();
        Some(match targets[0] {
            Target::Class(_) => Targets::Classes(
                each.map(|t| if let Target::Class(c) = t { Some(*c) } else { None }).collect::<Option<_>>()?,
            ),
            Target::Value(_) => Targets::Values(
                each.map(|t| if let Target::Value(v) = t { Some(*v) } else { None }).collect::<Option<_>>()?,
            ),
            Target::Span(..) => Targets::Spans(
                each.map(|t| if let Target::Span(s, e) = t { Some((*s, *e)) } else { None }).collect::<Option<_>>()?,
            ),
            Target::Tokens(_) => Targets::Tokens(
                each.map(|t| if let Target::Tokens(labels) = t { Some(labels.as_slice()) } else { None })
                    .collect::<Option<Vec<_>>>()?
                    .concat(),
            ),
            Target::Choice(_) => Targets::Choices(
                each.map(|t| if let Target::Choice(right) = t { Some(*right) } else { None }).collect::<Option<_>>()?,
            ),
            Target::Masked { .. } => masked(targets, starts)?,
        })
    }

    /// Labelled tokens, of targets that have a label each.
    pub fn labelled(&self) -> usize {
        match self {
            Targets::Tokens(labels) => labels.iter().filter(|label| **label != UNLABELLED).count(),
            Targets::Masked { words, .. } => words.len(),
            _ => 0,
        }
    }
}

/// One target an example; `None` unless these are whole examples whose sequences agree.
fn of_examples<'a>(targets: &[&'a Target], together: usize) -> Option<Vec<&'a Target>> {
    let whole = together > 0 && targets.len().is_multiple_of(together);
    let example = |own: &[&'a Target]| own[1..].iter().all(|target| *target == own[0]).then_some(own[0]);
    if whole { targets.chunks(together).map(example).collect() } else { None }
}

/// Places counted from the batch's beginning. The next sentence is asked of all sequences or of none.
fn masked(targets: &[&Target], starts: &[u32]) -> Option<Targets> {
    let (mut all, mut answers) = (Vec::new(), Vec::new());
    for (target, start) in targets.iter().zip(starts) {
        let Target::Masked { words, next } = target else { return None };
        all.extend(words.iter().map(|(place, word)| (start + place, *word)));
        answers.extend(next);
    }
    let asked = answers.is_empty() || answers.len() == targets.len();
    asked.then_some(Targets::Masked { words: all, next: answers })
}

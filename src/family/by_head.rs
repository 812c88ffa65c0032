//! One value for each kind of head.

use crate::task::Head;

/// Values of heads that are fine-tuned; pre-training's have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByHead<T> {
    /// A class or a number of a sequence.
    pub sequence: T,
    /// One of several sequences.
    pub choice: T,
    /// A label of every token.
    pub tokens: T,
    /// An answer's span.
    pub span: T,
}

impl<T> ByHead<T> {
    /// The value of a head.
    pub fn of(&self, head: Head) -> Option<&T> {
        match head {
            // Of spans by beams only what says whether there is an answer is dropped out, and that is of the sequence.
            Head::Classification | Head::Regression | Head::BeamSpan => Some(&self.sequence),
            Head::Choice => Some(&self.choice),
            Head::Tokens | Head::FeatureBased(_) => Some(&self.tokens),
            Head::Span => Some(&self.span),
            Head::Pretraining => None,
        }
    }

    /// Each value turned into another, in order.
    ///
    /// # Errors
    /// The first one.
    pub fn try_map<U, E>(&self, mut turn: impl FnMut(&T) -> Result<U, E>) -> Result<ByHead<U>, E> {
        Ok(ByHead {
            sequence: turn(&self.sequence)?,
            choice: turn(&self.choice)?,
            tokens: turn(&self.tokens)?,
            span: turn(&self.span)?,
        })
    }
}

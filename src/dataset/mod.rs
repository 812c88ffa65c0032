//! Examples, and the files they are read from: the hub's parquet, the original GLUE TSV, the SQuAD JSON.

/// A gold answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its text, as published.
    pub text: String,
    /// Where it starts in the context, in code points.
    pub start: usize,
}

/// What is to be predicted of an example.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// Index into the task's labels.
    Class(u32),
    /// A number (STS-B: 0 to 5).
    Value(f32),
    /// Gold answers; none means unanswerable.
    Answers(Vec<Answer>),
}

/// One row of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The row's id: `idx` of GLUE, the question id of SQuAD.
    pub id: String,
    /// The only text, the first of a pair, or the question.
    pub first: String,
    /// The second text of a pair, or the context.
    pub second: Option<String>,
    /// `None` where the label is hidden.
    pub label: Option<Label>,
}

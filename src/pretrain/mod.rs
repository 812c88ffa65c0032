//! Pre-training (BERT, Sections 3.1 and A.2): from plain text to a checkpoint, by masked words and the next sentence.
//!
//! ```text
//! text files ─ corpus (documents of sentences) ─ vocabulary ─ store (token ids on disk) ─ segments (pairs on disk)
//!            ─ masking (as a batch is drawn) ─ train ─ checkpoint
//! ```
//!
//! What grows with the corpus lies on disk, in the run's folder: token ids, and 24 bytes a pair of segments. In memory are
//! 16 bytes a document and 4 a pair, the order of an epoch.

mod card;
mod checkpoint;
mod claim;
mod corpus;
mod curves;
mod data;
mod error;
mod evaluate;
mod masking;
mod model;
mod pairs;
mod report;
mod run;
mod segments;
mod start;
mod store;
mod vocabulary;
mod wordpiece;

pub use corpus::{files, read_documents};
pub use curves::{accuracies, curves, rows};
pub use error::PretrainError;
pub use masking::{Masking, Words};
pub use run::{Finished, Pretraining};
pub use segments::{Pair, Segmentation, Span, segment};
pub use vocabulary::Vocabulary;

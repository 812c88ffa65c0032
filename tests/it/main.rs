//! What a user sees: one binary of integration tests, a file per subject.

mod check;
mod export;
mod sample;
mod tensorboard;

//! What a user sees: one binary of integration tests, a file per subject.

mod dataset;
mod plan;
mod score;
mod spec;
mod submit;
mod answers;
mod encode;
mod check;
mod export;
mod sample;
mod tensorboard;

//! What a user sees: one binary of integration tests, a file per subject.

mod answers;
mod console;
mod dataset;
mod embedded_hub;
mod encode;
mod plan;
mod score;
mod spec;
mod submit;
mod tree;
mod answers;
mod encode;
mod check;
mod export;
mod sample;
mod tensorboard;

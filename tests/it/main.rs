//! What a user sees: one binary of integration tests, a file per subject.

mod console;
mod embedded_hub;
mod tree;
mod dataset;
mod plan;
mod score;
mod spec;
mod submit;
mod answers;
mod encode;

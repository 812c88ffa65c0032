//! What a user sees: one binary of integration tests, a file per subject.

mod plan;
mod spec;
mod dataset;
mod submit;
mod score;

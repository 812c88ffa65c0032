//! What a user sees: one binary of integration tests, a file per subject.

mod console;
mod embedded_hub;
mod tree;

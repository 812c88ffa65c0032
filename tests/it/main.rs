//! What a user sees: one binary of integration tests, a file per subject.

mod paper;
mod record;
mod report;

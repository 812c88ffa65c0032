//! What a user sees: one binary of integration tests, a file per subject.

mod fetch;
mod fetch_checkpoint;
mod fetch_faults;
mod hub_server;

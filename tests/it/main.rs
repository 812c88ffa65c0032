//! What a user sees: one binary of integration tests, a file per subject.

mod answers;
mod bench;
mod check;
mod console;
mod dataset;
mod embedded_hub;
mod encode;
mod export;
mod plan;
mod run;
mod sample;
mod score;
mod spec;
mod submit;
mod tensorboard;
mod tree;
mod fetch;
mod fetch_checkpoint;
mod fetch_faults;
mod hub_server;
mod paper;
mod record;
mod report;

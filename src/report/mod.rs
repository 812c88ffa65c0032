//! What readers see: tables beside the papers' figures, the leaderboard, coverage, `results.csv` and plots.
//!
//! Everything here is a pure function of records and published claims: nothing is recomputed, no tensor is needed, and
//! equal records give equal bytes. A [`Group`] is the runs that differ only in hyperparameters and seed; a [`Choice`]
//! is what selection on dev makes of it; a [`Comparison`] says whether its scores may stand beside a claim. One
//! [`Table`] type is rendered by [`markdown`] for files and by [`terminal_table`] for people at a prompt.

mod average;
mod cells;
mod choice;
mod claims;
mod comparison;
mod coverage;
mod curves;
mod experiment;
mod files;
mod group;
mod leaderboard;
mod matrix;
mod recipe;
mod results;
mod scaling;
mod seed_spread;
mod summary;
pub mod svg;
mod table;

pub use choice::Choice;
pub use comparison::{Comparison, Ours, compare};
pub use experiment::experiment_table;
pub use files::{Compare, Files, files};
pub use group::{Data, Group, System, groups};
pub use leaderboard::leaderboard;
pub use results::results;
pub use scaling::{Growth, scaling_plot};
pub use summary::Summary;
pub use table::{Align, Table, markdown, terminal_table};

//! Reproduces published results of BERT-family encoders on GLUE and SQuAD.
//!
//! An experiment (a YAML file) is read by [`spec`], multiplied out into runs by [`plan`], given its files by [`fetch`],
//! turned into examples by [`dataset`] and token ids by [`encode`], trained by [`train`] on an [`engine`], scored by
//! [`score`] and written down as one [`record`] a run. Everything a reader sees afterwards ([`report`], [`check`]) is a
//! pure function of records and of the published numbers in [`paper`].
//!
//! The modules below stand in dependency order: a module uses only those above it, and a test holds them to it.

pub mod exit;
pub mod nearest;
pub mod temporary;
pub mod allocations;
pub mod random;
pub mod score;
pub mod event;
pub mod tensorboard;
pub mod task;
pub mod family;
pub mod paper;
pub mod spec;
pub mod plan;
pub mod fetch;
pub mod dataset;
pub mod encode;
pub mod record;
pub mod engine;
pub mod train;
pub mod estimate;
pub mod export;
pub mod submit;
pub mod pipeline;
pub mod report;
pub mod check;
pub mod pretrain;
pub mod cli;

//! TODO paper

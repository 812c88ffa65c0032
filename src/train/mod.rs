//! TODO train

//! An experiment file, read strictly: unknown and duplicate keys, wrong types and values out of range are errors.

pub mod pins;
pub mod recipe;

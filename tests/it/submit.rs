//! The files that evaluation servers take.

//! TODO estimate

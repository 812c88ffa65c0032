//! TODO family

//! Where there is no matrix unit.

use super::{Left, Product};
use crate::engine::fast::cpu::buffer::Buffer;

/// Nothing.
pub fn unit() -> Option<&'static str> {
    None
}

/// Not reached: engines ask [`unit`] first.
pub fn pack(_: Left, _: usize, _: usize, _: &mut Buffer) {
    unreachable!("bfloat16 products were asked for where there are none");
}

/// Not reached: engines ask [`unit`] first.
pub fn run(_: Product, _: bool) {
    unreachable!("bfloat16 products were asked for where there are none");
}

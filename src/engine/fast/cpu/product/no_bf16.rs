//! Where there is no matrix unit.

use super::Product;

/// Never.
pub fn available() -> bool {
    false
}

/// Not reached: engines ask [`available`] first.
pub fn run(_: Product, _: bool) {
    unreachable!("bfloat16 products were asked for where there are none");
}

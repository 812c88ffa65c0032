//! What products are computed in.

/// What products are computed in. Sums, reductions, parameters and moments are 32-bit floats always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// 32-bit floats throughout, without TF32: for parity with other engines.
    F32,
    /// bfloat16 operands; on a GPU, activations too.
    Bf16,
}

impl Precision {
    /// The one of a name.
    pub fn of(name: &str) -> Option<Precision> {
        [Precision::F32, Precision::Bf16].into_iter().find(|precision| precision.name() == name)
    }

    /// Name for people and records.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }

    /// Bytes of an activation.
    pub fn bytes(self) -> usize {
        match self {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        }
    }
}

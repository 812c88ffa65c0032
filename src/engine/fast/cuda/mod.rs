//! The fast engine on a GPU: cuBLASLt for matrix products, kernels of our own for everything else, CUDA graphs for the
//! step; all of it loaded when it is first used, so that one binary, built without CUDA, starts anywhere.
//!
//! How a step goes: [`batch`] writes a packed batch and its index lists into one block, which is copied on a second
//! stream; [`passes`] says the launches of the forward and backward pass, layer by layer, over addresses of the
//! [`arena`] and the [`model`]; a [`machine`] does them, or replays a recording of them. What changes between steps of one
//! rounded size (step number, seed, lengths, the loss's divisor) is read by kernels from the block, so that a recording
//! stays valid. [`adam`] ends the step in three launches.
//!
//! A kernel file (`layer_norm.cu`) says its grid and formula; the wrapper of the same name (`layer_norm.rs`) launches it.
//! NVRTC compiles them for the model's widths when an engine is made ([`compiler`], cached on disk). Activations and
//! operands of products are bfloat16, or, for parity with the other engines, 32-bit floats; parameters, moments,
//! gradients, statistics and sums are 32-bit floats always. No atomic adds floats: every sum has a fixed order, and two
//! runs give equal bytes.
//!
//! Several engines may share one GPU: [`SharedGpu::machine`] gives each its own streams, workspace and recordings over
//! one context and one set of compiled kernels. An engine belongs to one thread at a time; a scheduler that runs
//! several runs of a plan at once makes one engine in each of its threads.

pub mod adam;
pub mod arena;
pub mod attention;
pub mod batch;
pub mod checks;
pub mod columns;
pub mod compiler;
pub mod device;
pub mod embedding;
pub mod engine;
pub mod gelu;
pub mod gpu;
pub mod head;
pub mod layer_norm;
pub mod machine;
pub mod model;
pub mod operations;
pub mod passes;
pub mod products;
pub mod shape;
pub mod sources;
pub mod speed;

#[cfg(test)]
mod emulator;
#[cfg(test)]
mod tests;

pub use engine::Accelerated;
pub use gpu::{Gpu, SharedGpu};

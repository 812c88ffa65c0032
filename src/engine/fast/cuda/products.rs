//! Matrix products by cuBLASLt. Descriptions and the algorithm it recommends are kept for each product that occurs: the
//! same algorithm for the same shapes, so that runs repeat to the byte.
//!
//! cuBLASLt counts by columns: a row-major `[r, c]` matrix is its `[c, r]`. So `out = left · right` is asked for as
//! `outᵀ = rightᵀ · leftᵀ`: its A is our right operand, its B our left one, and its m is our n. The bias is then one value
//! for each of its rows, which is what its epilogue adds.

use super::device::DeviceError;
use super::engine::WORKSPACE;
use super::machine::Product;
use crate::engine::Precision;
use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use std::mem::size_of;

use sys::cublasLtMatmulDescAttributes_t as Attribute;
use sys::cublasLtMatmulPreferenceAttributes_t as Preference;

/// Bytes that every operand begins at a multiple of: 16 values of the flat layout in bfloat16. cuBLASLt would take 256 for
/// granted.
static ALIGNED: u32 = 32;

const ALIGNMENTS: [Preference; 4] = [
    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
    Preference::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
];

/// A description of one kind of product.
struct Described {
    operation: sys::cublasLtMatmulDesc_t,
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
}

/// What two products must have in common to share a description: everything but addresses.
type Kind = (usize, usize, usize, [bool; 5]);

/// cuBLASLt with its descriptions.
pub struct Products {
    handle: sys::cublasLtHandle_t,
    precision: Precision,
    described: RefCell<HashMap<Kind, Described>>,
}

impl From<CublasError> for DeviceError {
    fn from(error: CublasError) -> Self {
        DeviceError::Products(error.to_string())
    }
}

impl Products {
    /// A handle of its own.
    ///
    /// # Errors
    /// cuBLASLt's; it must be there.
    pub fn new(precision: Precision) -> Result<Products, DeviceError> {
        Ok(Products { handle: result::create_handle()?, precision, described: RefCell::default() })
    }

    /// Asks for a product on a stream; `workspace` has [`WORKSPACE`] bytes.
    ///
    /// # Errors
    /// cuBLASLt's.
    pub(super) fn run(&self, product: &Product, workspace: u64, stream: sys::cudaStream_t) -> Result<(), DeviceError> {
        let mut all = self.described.borrow_mut();
        let described = match all.entry(kind(product)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.describe(product)?),
        };
        let (one, beta) = (1.0f32, if product.accumulate { 1.0f32 } else { 0.0 });
        let pointer = |address: u64| address as *mut c_void;
        let (right, left, out) = (pointer(product.right.0.0), pointer(product.left.0.0), pointer(product.out.0));
        // SAFETY: descriptions are those of this product; operands are device memory of the sizes described, which the
        // caller keeps until the stream is through; the scalars are read before the call returns.
        unsafe {
            if let Some(bias) = product.bias {
                set(described.operation, Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias.0)?;
            }
            let [right_layout, left_layout, out_layout] = described.layouts;
            result::matmul(
                self.handle,
                described.operation,
                (&raw const one).cast(),
                (&raw const beta).cast(),
                right,
                right_layout,
                left,
                left_layout,
                out,
                out_layout,
                out,
                out_layout,
                &raw const described.algorithm,
                pointer(workspace),
                WORKSPACE,
                stream,
            )?;
        }
        Ok(())
    }

    fn describe(&self, product: &Product) -> Result<Described, DeviceError> {
        let operand = match self.precision {
            Precision::F32 => sys::cudaDataType::CUDA_R_32F,
            Precision::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        };
        let outcome = if product.wide { sys::cudaDataType::CUDA_R_32F } else { operand };
        let operation = operation(product)?;
        let layout = |kind, (rows, columns): (usize, usize)| {
            result::create_matrix_layout(kind, rows as u64, columns as u64, rows as i64)
        };
        let (m, n, k) = (product.m, product.n, product.k);
        let layouts = [
            layout(operand, if product.right.1 { (k, n) } else { (n, k) })?,
            layout(operand, if product.left.1 { (m, k) } else { (k, m) })?,
            layout(outcome, (n, m))?,
        ];
        let algorithm = self.algorithm(operation, layouts)?;
        Ok(Described { operation, layouts, algorithm })
    }

    fn algorithm(
        &self,
        operation: sys::cublasLtMatmulDesc_t,
        [right, left, out]: [sys::cublasLtMatrixLayout_t; 3],
    ) -> Result<sys::cublasLtMatmulAlgo_t, DeviceError> {
        let preference = result::create_matmul_pref()?;
        let bytes = WORKSPACE as u64;
        // No reduction, or one in the type of the computation: a product split along the contraction must not round its
        // parts to bfloat16.
        let reductions = sys::cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32;
        // SAFETY: preference, operation and layouts are alive; the first attribute is a u64, the others are u32.
        unsafe {
            let most = Preference::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
            result::set_matmul_pref_attribute(preference, most, (&raw const bytes).cast(), size_of::<u64>())?;
            let scheme = Preference::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK;
            result::set_matmul_pref_attribute(preference, scheme, (&raw const reductions).cast(), size_of::<u32>())?;
            for which in ALIGNMENTS {
                result::set_matmul_pref_attribute(preference, which, (&raw const ALIGNED).cast(), size_of::<u32>())?;
            }
            let found = result::get_matmul_algo_heuristic(self.handle, operation, right, left, out, out, preference);
            result::destroy_matmul_pref(preference)?;
            Ok(found?.algo)
        }
    }
}

fn kind(product: &Product) -> Kind {
    let flags = [product.left.1, product.right.1, product.bias.is_some(), product.accumulate, product.wide];
    (product.m, product.n, product.k, flags)
}

/// 32-bit sums, and 32-bit arithmetic without TF32 where operands are 32-bit floats.
fn operation(product: &Product) -> Result<sys::cublasLtMatmulDesc_t, DeviceError> {
    let sums = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
    let operation = result::create_matmul_desc(sums, sys::cudaDataType::CUDA_R_32F)?;
    let transposed = |is: bool| i32::from(is); // CUBLAS_OP_N is 0, CUBLAS_OP_T is 1
    // SAFETY: the description is alive; these attributes are 32-bit numbers.
    unsafe {
        set(operation, Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &transposed(product.right.1))?;
        set(operation, Attribute::CUBLASLT_MATMUL_DESC_TRANSB, &transposed(product.left.1))?;
        if let Some(bias) = product.bias {
            let epilogue = sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS;
            set(operation, Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue)?;
            set(operation, Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias.0)?;
        }
    }
    Ok(operation)
}

/// # Safety
/// The description is alive and the attribute has the value's type.
unsafe fn set<T>(operation: sys::cublasLtMatmulDesc_t, attribute: Attribute, value: &T) -> Result<(), DeviceError> {
    let value: *const T = value;
    // SAFETY: the caller's promise.
    unsafe { Ok(result::set_matmul_desc_attribute(operation, attribute, value.cast(), size_of::<T>())?) }
}

impl Drop for Products {
    fn drop(&mut self) {
        for described in self.described.get_mut().values() {
            // SAFETY: made above, used no more. What cannot be destroyed is left to the process.
            unsafe {
                let _ = result::destroy_matmul_desc(described.operation);
                for layout in described.layouts {
                    let _ = result::destroy_matrix_layout(layout);
                }
            }
        }
        // SAFETY: as above.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

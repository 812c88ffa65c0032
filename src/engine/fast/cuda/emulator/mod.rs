//! A machine for tests: the kernels compiled by the system's C++ compiler over `shim.h` and run on the CPU, block by
//! block and thread by thread; matrix products in plain loops.
//!
//! What it does not show: timing, and whatever a GPU does in parallel between blocks. Racing threads within a block show
//! as different outcomes when threads run in reverse ([`Emulator::reverse`]).

use super::machine::{Address, Argument, GraphKey, Launch, MOST_ARGUMENTS, Machine, Memory, Product};
use super::shape::Shape;
use super::sources::SOURCES;
use crate::engine::EngineError;
use crate::engine::Precision;
use half::bf16;
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Emulated blocks share static memory, and a compiled shape is made once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

// SAFETY: a kernel's host build; whoever calls it hands it the arguments that the kernel takes.
type Emulated = unsafe extern "C" fn(*const u32, u32, c_int, *const *const c_void) -> c_int;

/// The machine.
pub struct Emulator {
    library: usize,
    precision: Precision,
    slots: RefCell<[Vec<u8>; 2]>,
    /// Whether threads and blocks run in reverse.
    pub reverse: Cell<bool>,
    /// Launches, products and clears so far.
    pub asked: Cell<usize>,
}

impl Emulator {
    /// Whether there is a C++ compiler.
    pub fn available() -> bool {
        Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success())
    }

    /// A machine for a shape.
    pub fn new(shape: &Shape) -> Emulator {
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = compiled(shape);
        let path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the library was made by `compiled` and runs nothing when it is loaded.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) } as usize;
        assert_ne!(library, 0, "the emulated kernels do not load");
        drop(guard);
        let (slots, reverse, asked) = Default::default();
        Emulator { library, precision: shape.precision, slots, reverse, asked }
    }

    fn kernel(&self, name: &str) -> Emulated {
        let symbol = CString::new(format!("emulated_{name}")).unwrap();
        // SAFETY: the handle is that of a loaded library, which is never closed.
        let function = unsafe { libc::dlsym(self.library as *mut c_void, symbol.as_ptr()) };
        assert!(!function.is_null(), "no kernel {name}");
        // SAFETY: shim.h defines every `emulated_` function with this signature.
        unsafe { std::mem::transmute::<*mut c_void, Emulated>(function) }
    }
}

/// One C++ file of all kernels, each file's in a namespace of its own.
fn program(shape: &Shape) -> String {
    let mut text = include_str!("shim.h").to_owned();
    for source in SOURCES.iter().filter(|source| (source.wanted)(shape)) {
        text += &format!("namespace {}_file {{\n{}\n", source.name, source.text());
        for kernel in source.kernels {
            text += &format!("EMULATED({kernel})\n");
        }
        text += "}\n";
    }
    text
}

/// Compiles a shape's kernels, or finds them compiled.
fn compiled(shape: &Shape) -> PathBuf {
    let (text, options) = (program(shape), shape.options());
    let digest = Sha256::digest(format!("{text}{options:?}"));
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/emulator");
    let library = folder.join(format!("{name}.so"));
    if library.exists() {
        return library;
    }
    std::fs::create_dir_all(&folder).unwrap();
    let (source, made) = (folder.join(format!("{name}.cpp")), folder.join(format!("{name}.made")));
    std::fs::write(&source, text).unwrap();
    let common = ["-std=c++20", "-O1", "-w", "-U_FORTIFY_SOURCE", "-ffp-contract=off", "-fPIC", "-shared"];
    let output = Command::new("c++").args(common).args(options).arg(&source).arg("-o").arg(&made).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&made, &library).unwrap();
    library
}

impl Machine for Emulator {
    fn allocate(&self, bytes: usize) -> Result<Memory, EngineError> {
        // 256 more, so that the beginning can be rounded up.
        let owner = vec![0u64; bytes.div_ceil(8) + 32];
        let address = Address((owner.as_ptr() as u64).next_multiple_of(256));
        Ok(Memory { address, bytes, owner: Box::new(owner) })
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), EngineError> {
        self.slice(to, bytes.len()).copy_from_slice(bytes);
        Ok(())
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), EngineError> {
        bytes.copy_from_slice(self.slice(from, bytes.len()));
        Ok(())
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<(), EngineError> {
        self.asked.set(self.asked.get() + 1);
        self.slice(at, bytes).fill(0);
        Ok(())
    }

    fn send(&self, slot: usize, bytes: &[u8]) -> Result<(), EngineError> {
        self.slots.borrow_mut()[slot] = bytes.to_vec();
        Ok(())
    }

    fn take(&self, slot: usize, to: Address, bytes: usize) -> Result<(), EngineError> {
        self.upload(to, &self.slots.borrow()[slot][..bytes])
    }

    fn launch(&self, launch: &Launch) -> Result<(), EngineError> {
        self.asked.set(self.asked.get() + 1);
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let values = launch.arguments.iter().map(|argument| match argument {
            Argument::Address(address) => address.0,
            Argument::U32(value) => u64::from(*value),
            Argument::F32(value) => u64::from(value.to_bits()),
        });
        let values: Vec<u64> = values.collect();
        assert!(values.len() <= MOST_ARGUMENTS);
        let pointers: Vec<*const c_void> = values.iter().map(|value| std::ptr::from_ref(value).cast()).collect();
        let grid = [launch.grid.0, launch.grid.1];
        let (kernel, reverse) = (self.kernel(launch.kernel), c_int::from(self.reverse.get()));
        // SAFETY: the wrappers give each kernel its arguments, and addresses of memory that is there.
        let stuck = unsafe { kernel(grid.as_ptr(), launch.threads, reverse, pointers.as_ptr()) };
        assert_eq!(stuck, 0, "{}: threads wait for each other for ever", launch.kernel);
        drop(guard);
        Ok(())
    }

    fn product(&self, product: &Product) -> Result<(), EngineError> {
        self.asked.set(self.asked.get() + 1);
        let Product { m, n, k, .. } = *product;
        let (left, right) = (self.read(product.left.0, m * k), self.read(product.right.0, k * n));
        let wide = product.wide || self.precision == Precision::F32;
        let mut out = match (product.accumulate, wide) {
            (false, _) => vec![0.0; m * n],
            (true, true) => self.floats(product.out, m * n).to_vec(),
            (true, false) => self.read(product.out, m * n),
        };
        let bias = product.bias.map(|bias| self.read(bias, n));
        for i in 0..m {
            let row = &mut out[i * n..(i + 1) * n];
            for x in 0..k {
                let factor = if product.left.1 { left[x * m + i] } else { left[i * k + x] };
                let of = |j: usize| if product.right.1 { right[j * k + x] } else { right[x * n + j] };
                row.iter_mut().enumerate().for_each(|(j, sum)| *sum += factor * of(j));
            }
            if let Some(bias) = &bias {
                row.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
            }
        }
        if wide {
            self.floats(product.out, m * n).copy_from_slice(&out)
        } else {
            self.write(product.out, &out)
        }
        Ok(())
    }

    fn replay(&self, _key: GraphKey, work: &mut dyn FnMut() -> Result<(), EngineError>) -> Result<(), EngineError> {
        work()
    }

    fn forget(&self) {}
}

impl Emulator {
    #[allow(clippy::mut_from_ref)]
    fn slice(&self, at: Address, bytes: usize) -> &mut [u8] {
        // SAFETY: addresses are those of memory allocated above; one thread uses a machine, and no two slices overlap.
        unsafe { std::slice::from_raw_parts_mut(at.0 as *mut u8, bytes) }
    }

    #[allow(clippy::mut_from_ref)]
    fn floats(&self, at: Address, count: usize) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.slice(at, count * 4))
    }

    /// Values in the compute precision, widened.
    fn read(&self, at: Address, count: usize) -> Vec<f32> {
        if self.precision == Precision::F32 {
            return self.floats(at, count).to_vec();
        }
        let halves: &[u16] = bytemuck::cast_slice(self.slice(at, count * 2));
        halves.iter().map(|bits| bf16::from_bits(*bits).to_f32()).collect()
    }

    /// Values narrowed to the compute precision.
    fn write(&self, at: Address, values: &[f32]) {
        let halves: &mut [u16] = bytemuck::cast_slice_mut(self.slice(at, values.len() * 2));
        halves.iter_mut().zip(values).for_each(|(to, value)| *to = bf16::from_f32(*value).to_bits());
    }
}

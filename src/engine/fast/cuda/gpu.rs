//! A GPU as a [`Machine`]: one stream for work, one for copies, compiled kernels, recorded steps.
//!
//! A step of a size is run as it is the first time, which loads whatever the libraries load lazily, recorded the second
//! time and replayed from then on. Addresses are raw: an engine frees memory only when nothing that speaks of it is
//! recorded or running ([`Machine::forget`] waits).

use super::compiler::machine_code;
use super::device::{self, Device, DeviceError};
use super::engine::{Accelerated, WORKSPACE};
use super::machine::{Address, Argument, GraphKey, Launch, MOST_ARGUMENTS, Machine, Memory, Product};
use super::products::Products;
use super::shape::Shape;
use super::sources::SOURCES;
use crate::engine::Precision;
use crate::engine::{EngineError, NamedArray};
use crate::family::EncoderConfig;
use crate::task::Head;
use cudarc::driver::result;
use cudarc::driver::sys::{CUgraphInstantiate_flags as Flags, CUresult, CUstreamCaptureMode as Mode};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaGraph, CudaStream, DevicePtr, DriverError, PinnedHostSlice,
};
use cudarc::nvrtc::Ptx;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

/// Most recorded steps that are kept; then the one not used for longest is forgotten.
const MOST_GRAPHS: usize = 128;

type Kernels = Arc<HashMap<&'static str, CudaFunction>>;

/// A GPU that several engines, each in its own thread, may share.
pub struct SharedGpu {
    /// Which it is.
    pub device: Device,
    context: Arc<CudaContext>,
    kept: Option<PathBuf>,
    loaded: Mutex<BTreeMap<Shape, Kernels>>,
}

impl SharedGpu {
    /// Opens a GPU; compiled kernels are kept in a folder.
    ///
    /// # Errors
    /// Anything missing, see [`device::usable`].
    pub fn open(ordinal: usize, kept: Option<PathBuf>) -> Result<Arc<SharedGpu>, DeviceError> {
        let device = device::usable(ordinal)?;
        let context = CudaContext::new(ordinal)?;
        // SAFETY: events for each allocation are for memory shared between streams without care; here work on memory is
        // ordered by one stream, and copies by the events of their slots.
        unsafe { context.disable_event_tracking() };
        Ok(Arc::new(SharedGpu { device, context, kept, loaded: Mutex::default() }))
    }

    /// A machine for one engine: its own streams, workspace and recordings.
    ///
    /// # Errors
    /// Kernels that do not compile; the driver's and cuBLASLt's.
    pub fn machine(self: &Arc<Self>, shape: &Shape) -> Result<Gpu, DeviceError> {
        let kernels = self.kernels(shape)?;
        let (stream, copies) = (self.context.new_stream()?, self.context.new_stream()?);
        let products = Products::new(shape.precision)?;
        let workspace = allocate(&self.context, &stream, WORKSPACE)?;
        let slots = RefCell::new([None, None]);
        let graphs = RefCell::default();
        Ok(Gpu { shared: self.clone(), graphs, kernels, stream, copies, products, workspace, slots })
    }

    /// Compiles and loads a shape's kernels, once.
    fn kernels(&self, shape: &Shape) -> Result<Kernels, DeviceError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernels) = loaded.get(shape) {
            return Ok(kernels.clone());
        }
        let (major, minor) = self.device.capability;
        let mut kernels = HashMap::new();
        for source in SOURCES.iter().filter(|source| (source.wanted)(shape)) {
            let code = machine_code(source, shape, 10 * major + minor, self.kept.as_deref())?;
            let module = self.context.load_module(Ptx::from_binary(code))?;
            for kernel in source.kernels {
                kernels.insert(*kernel, module.load_function(kernel)?);
            }
        }
        let kernels = Arc::new(kernels);
        loaded.insert(shape.clone(), kernels.clone());
        Ok(kernels)
    }
}

/// Two places of one staged batch, host and device, and when each is free.
struct Slot {
    host: PinnedHostSlice<u8>,
    device: Memory,
    /// The copy to the device is through.
    arrived: CudaEvent,
    /// The device's copy has been read.
    taken: CudaEvent,
}

/// Recorded steps, `None` for one that has run once, each with when it was last used.
#[derive(Default)]
struct Graphs {
    known: BTreeMap<GraphKey, (Option<CudaGraph>, u64)>,
    uses: u64,
}

impl Graphs {
    /// The key of the one not used for longest, where there are as many as are kept.
    fn oldest(&self) -> Option<GraphKey> {
        let oldest = || self.known.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
        if self.known.len() >= MOST_GRAPHS { oldest() } else { None }
    }
}

/// One engine's share of a GPU.
pub struct Gpu {
    graphs: RefCell<Graphs>,
    slots: RefCell<[Option<Slot>; 2]>,
    workspace: Memory,
    products: Products,
    kernels: Kernels,
    copies: Arc<CudaStream>,
    stream: Arc<CudaStream>,
    shared: Arc<SharedGpu>,
}

impl Drop for Gpu {
    /// A copy may be on its way to memory that goes now; an error has nobody left to hear it.
    fn drop(&mut self) {
        let _ = self.wait();
    }
}

impl Accelerated<Gpu> {
    /// An engine on a GPU, starting from `values`, in the order of [`crate::family::parameters`].
    ///
    /// # Errors
    /// Values that do not fit the config's parameters; widths the kernels are not written for; the device's.
    pub fn new(
        gpu: &Arc<SharedGpu>,
        config: EncoderConfig,
        head: Head,
        precision: Precision,
        num_labels: usize,
        values: &[NamedArray],
    ) -> Result<Accelerated<Gpu>, EngineError> {
        let shape = Shape::new(&config, num_labels, precision)?;
        Accelerated::on(gpu.machine(&shape)?, config, head, precision, num_labels, values)
    }
}

/// Memory of zeros, ready for every stream.
fn allocate(context: &Arc<CudaContext>, stream: &Arc<CudaStream>, bytes: usize) -> Result<Memory, DeviceError> {
    let full = |error: DriverError| match (error.0, context.mem_get_info()) {
        (CUresult::CUDA_ERROR_OUT_OF_MEMORY, Ok((free, total))) => {
            let [wanted, free, total] = [bytes, free, total].map(|bytes| bytes / 1_000_000);
            DeviceError::Memory { wanted, free, total }
        }
        _ => error.into(),
    };
    let owner = stream.alloc_zeros::<u8>(bytes.max(1)).map_err(full)?;
    stream.synchronize()?;
    let address = Address(owner.device_ptr(stream).0);
    Ok(Memory { address, bytes, owner: Box::new(owner) })
}

impl Gpu {
    /// Waits for everything asked for.
    ///
    /// # Errors
    /// What went wrong since the last time.
    pub fn wait(&self) -> Result<(), DeviceError> {
        self.copies.synchronize()?;
        Ok(self.stream.synchronize()?)
    }

    fn bind(&self) -> Result<(), DriverError> {
        self.shared.context.bind_to_thread()
    }

    fn slot(&self, bytes: usize) -> Result<Slot, DeviceError> {
        let context = &self.shared.context;
        // SAFETY: the memory is written before it is read.
        let host = unsafe { context.alloc_pinned(bytes) }?;
        let device = allocate(context, &self.stream, bytes)?;
        Ok(Slot { host, device, arrived: context.new_event(None)?, taken: context.new_event(None)? })
    }

    /// Records what `work` asks for on the stream.
    fn record(&self, work: &mut dyn FnMut() -> Result<(), EngineError>) -> Result<CudaGraph, EngineError> {
        self.stream.begin_capture(Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
        let worked = work();
        let graph = self.stream.end_capture(Flags(0));
        worked?;
        graph?.ok_or_else(|| DeviceError::Driver("nothing was recorded".into()).into())
    }
}

impl Machine for Gpu {
    fn allocate(&self, bytes: usize) -> Result<Memory, EngineError> {
        Ok(allocate(&self.shared.context, &self.stream, bytes)?)
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), EngineError> {
        self.bind()?;
        // SAFETY: callers copy within memory they allocated; the bytes live until the copy is through.
        unsafe { result::memcpy_htod_async(to.0, bytes, self.stream.cu_stream()) }?;
        Ok(self.stream.synchronize()?)
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), EngineError> {
        self.bind()?;
        // SAFETY: as above.
        unsafe { result::memcpy_dtoh_async(bytes, from.0, self.stream.cu_stream()) }?;
        Ok(self.stream.synchronize()?)
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<(), EngineError> {
        self.bind()?;
        // SAFETY: callers clear memory they allocated.
        Ok(unsafe { result::memset_d8_async(at.0, 0, bytes, self.stream.cu_stream()) }?)
    }

    fn send(&self, slot: usize, bytes: &[u8]) -> Result<(), EngineError> {
        self.bind()?;
        let mut slots = self.slots.borrow_mut();
        if slots[slot].as_ref().is_none_or(|slot| slot.device.bytes < bytes.len()) {
            self.wait()?;
            slots[slot] = Some(self.slot(bytes.len().next_power_of_two())?);
        }
        let slot = slots[slot].as_mut().expect("made above where there was none");
        slot.arrived.synchronize()?;
        slot.host.as_mut_slice()?[..bytes.len()].copy_from_slice(bytes);
        self.copies.wait(&slot.taken)?;
        let pinned = &slot.host.as_slice()?[..bytes.len()];
        // SAFETY: the slot has room; its host side is not written again before `arrived`.
        unsafe { result::memcpy_htod_async(slot.device.address.0, pinned, self.copies.cu_stream()) }?;
        Ok(slot.arrived.record(&self.copies)?)
    }

    fn take(&self, slot: usize, to: Address, bytes: usize) -> Result<(), EngineError> {
        self.bind()?;
        let slots = self.slots.borrow();
        let slot = slots[slot].as_ref().expect("a slot is sent before it is taken");
        self.stream.wait(&slot.arrived)?;
        // SAFETY: `bytes` were sent to the slot, and the place is in the arena.
        unsafe { result::memcpy_dtod_async(to.0, slot.device.address.0, bytes, self.stream.cu_stream()) }?;
        Ok(slot.taken.record(&self.stream)?)
    }

    fn launch(&self, launch: &Launch) -> Result<(), EngineError> {
        self.bind()?;
        let mut values = [0u64; MOST_ARGUMENTS];
        for (value, argument) in values.iter_mut().zip(launch.arguments) {
            *value = match argument {
                Argument::Address(address) => address.0,
                Argument::U32(number) => u64::from(*number),
                Argument::F32(number) => u64::from(number.to_bits()),
            };
        }
        let mut pointers = [null_mut::<c_void>(); MOST_ARGUMENTS];
        pointers.iter_mut().zip(&mut values).for_each(|(to, value)| *to = std::ptr::from_mut(value).cast());
        let function = self.kernels[launch.kernel].cu_function();
        let (grid, block) = ((launch.grid.0, launch.grid.1, 1), (launch.threads, 1, 1));
        let arguments = &mut pointers[..launch.arguments.len()];
        // SAFETY: the wrapper beside the kernel gives it its arguments in order, with addresses of memory that the engine
        // keeps until the stream is through; the driver copies the values before the call returns.
        unsafe { result::launch_kernel(function, grid, block, launch.shared, self.stream.cu_stream(), arguments) }?;
        Ok(())
    }

    fn product(&self, product: &Product) -> Result<(), EngineError> {
        self.bind()?;
        let stream = self.stream.cu_stream().cast();
        Ok(self.products.run(product, self.workspace.address.0, stream)?)
    }

    fn replay(&self, key: GraphKey, work: &mut dyn FnMut() -> Result<(), EngineError>) -> Result<(), EngineError> {
        let mut graphs = self.graphs.borrow_mut();
        graphs.uses += 1;
        let now = graphs.uses;
        match graphs.known.get_mut(&key) {
            Some((Some(graph), used)) => {
                *used = now;
                Ok(graph.launch()?)
            }
            Some((recorded, used)) => {
                let graph = self.record(work)?;
                graph.launch()?;
                (*recorded, *used) = (Some(graph), now);
                Ok(())
            }
            None => {
                if let Some(oldest) = graphs.oldest() {
                    self.stream.synchronize()?;
                    graphs.known.remove(&oldest);
                }
                // It counts as run only once it has: a recording must find everything loaded.
                work()?;
                graphs.known.insert(key, (None, now));
                Ok(())
            }
        }
    }

    fn forget(&self) {
        // An error here comes back from the next call that waits.
        let _ = self.wait();
        self.graphs.borrow_mut().known.clear();
    }
}

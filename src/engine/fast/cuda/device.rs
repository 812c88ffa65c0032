//! Which GPUs there are, and, where there is none to use, why: no driver, too old a driver, a library that is missing.
//!
//! Everything is loaded at run time. cudarc panics on a library that is not there, so each is asked for first.

use crate::engine::EngineError;
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{DriverError, result, sys};

/// Oldest driver that runs what CUDA 13's compiler makes.
pub const OLDEST_DRIVER: u32 = 13_000;

/// Lowest compute capability that the kernels are written for: Ampere's, which has bfloat16.
pub const LOWEST_CAPABILITY: (u32, u32) = (8, 0);

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number, as in `cuda:0`.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Bytes of memory.
    pub memory: usize,
    /// Compute capability.
    pub capability: (u32, u32),
    /// Multiprocessors.
    pub multiprocessors: u32,
}

/// What the CUDA libraries on this machine are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// CUDA version that the driver knows, `1000 major + 10 minor`.
    pub driver: u32,
    /// Version of NVRTC, if it is there.
    pub nvrtc: Option<(u32, u32)>,
    /// Whether cuBLASLt is there.
    pub cublaslt: bool,
    /// GPUs.
    pub devices: Vec<Device>,
}

/// Why a GPU cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// libcuda is not there.
    #[error("no NVIDIA driver: `libcuda.so.1` cannot be loaded")]
    NoDriver,
    /// The driver is older than the compiler.
    #[error("the NVIDIA driver knows CUDA {}, at least {} is needed", version(*found), version(OLDEST_DRIVER))]
    OldDriver { found: u32 },
    /// A library is not there.
    #[error("{0} cannot be loaded: install CUDA 13's libraries or put their folder on LD_LIBRARY_PATH")]
    NoLibrary(&'static str),
    /// NVRTC is older than the bindings.
    #[error("NVRTC is of CUDA {found}, at least 13.0 is needed: put CUDA 13's libraries first on LD_LIBRARY_PATH")]
    OldCompiler { found: String },
    /// There is no such GPU.
    #[error("no device cuda:{ordinal}, there are {count}")]
    NoDevice { ordinal: usize, count: usize },
    /// The GPU is older than the kernels want.
    #[error("{name} has compute capability {}.{}, at least 8.0 is needed", capability.0, capability.1)]
    OldDevice { name: String, capability: (u32, u32) },
    /// Too little memory.
    #[error("out of GPU memory: {wanted} MB more were asked for and {free} MB of {total} MB are free")]
    Memory { wanted: usize, free: usize, total: usize },
    /// The driver said something else.
    #[error("CUDA driver: {0}")]
    Driver(String),
    /// cuBLASLt said something.
    #[error("cuBLASLt: {0}")]
    Products(String),
    /// A kernel does not compile.
    #[error("NVRTC cannot compile {file}.cu: {log}")]
    Compile { file: &'static str, log: String },
}

fn version(number: u32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

impl From<DeviceError> for EngineError {
    fn from(error: DeviceError) -> Self {
        EngineError::Device(error.to_string())
    }
}

impl From<DriverError> for DeviceError {
    fn from(error: DriverError) -> Self {
        DeviceError::Driver(error.to_string())
    }
}

impl From<DriverError> for EngineError {
    fn from(error: DriverError) -> Self {
        DeviceError::from(error).into()
    }
}

/// Whether the driver's library can be loaded.
pub fn has_driver() -> bool {
    // SAFETY: loading libcuda runs its initialisers only; nothing of it is called.
    unsafe { sys::is_culib_present() }
}

/// Whether NVRTC can be loaded.
pub fn has_nvrtc() -> bool {
    // SAFETY: as above.
    unsafe { cudarc::nvrtc::sys::is_culib_present() }
}

/// Whether cuBLASLt can be loaded.
pub fn has_cublaslt() -> bool {
    // SAFETY: as above.
    unsafe { cudarc::cublaslt::sys::is_culib_present() }
}

/// Everything found on this machine.
///
/// # Errors
/// No driver; what the driver says.
pub fn find() -> Result<Found, DeviceError> {
    let driver = driver_version()?;
    result::init()?;
    let count = result::device::get_count()?;
    let devices = (0..count).map(device).collect::<Result<_, _>>()?;
    let nvrtc = if has_nvrtc() { Some(super::compiler::version()) } else { None };
    Ok(Found { driver, nvrtc, cublaslt: has_cublaslt(), devices })
}

/// A GPU that everything is there for.
///
/// # Errors
/// Whatever is missing, in the order in which it must be repaired.
pub fn usable(ordinal: usize) -> Result<Device, DeviceError> {
    let found = driver_version()?;
    if found < OLDEST_DRIVER {
        return Err(DeviceError::OldDriver { found });
    }
    for (name, present) in [("NVRTC (`libnvrtc`)", has_nvrtc()), ("cuBLASLt (`libcublasLt`)", has_cublaslt())] {
        if !present {
            return Err(DeviceError::NoLibrary(name));
        }
    }
    let (major, minor) = super::compiler::version();
    if (major, minor) < (13, 0) {
        return Err(DeviceError::OldCompiler { found: format!("{major}.{minor}") });
    }
    let devices = find()?.devices;
    let count = devices.len();
    let device = devices.into_iter().nth(ordinal).ok_or(DeviceError::NoDevice { ordinal, count })?;
    if device.capability < LOWEST_CAPABILITY {
        return Err(DeviceError::OldDevice { name: device.name, capability: device.capability });
    }
    Ok(device)
}

fn driver_version() -> Result<u32, DeviceError> {
    if !has_driver() {
        return Err(DeviceError::NoDriver);
    }
    let mut version = 0;
    // SAFETY: the library is there; the call writes one number and needs no initialisation.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(version as u32)
}

fn device(ordinal: i32) -> Result<Device, DeviceError> {
    let handle = result::device::get(ordinal)?;
    // SAFETY: the handle is a device's.
    let attribute = |which| unsafe { result::device::get_attribute(handle, which) }.map(|value| value as u32);
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok(Device {
        ordinal: ordinal as usize,
        name: result::device::get_name(handle)?,
        // SAFETY: the handle is a device's.
        memory: unsafe { result::device::total_mem(handle) }?,
        capability: (major, minor),
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let old = DeviceError::OldDriver { found: 12_080 };
        assert_eq!(old.to_string(), "the NVIDIA driver knows CUDA 12.8, at least 13.0 is needed");
        let memory = DeviceError::Memory { wanted: 900, free: 100, total: 1000 };
        assert!(memory.to_string().contains("900 MB more were asked for and 100 MB of 1000 MB are free"));
        if !has_driver() {
            assert_eq!(find(), Err(DeviceError::NoDriver));
            assert_eq!(usable(0), Err(DeviceError::NoDriver));
        }
    }
}

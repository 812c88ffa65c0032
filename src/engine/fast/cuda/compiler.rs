//! Kernels from source to machine code, by NVRTC, without any header; kept on disk by the digest of everything that
//! decides the outcome: text, options, architecture and NVRTC's version.

use super::device::{DeviceError, has_nvrtc};
use super::shape::Shape;
use super::sources::Source;
use crate::temporary;
use cudarc::nvrtc::result::{self, NvrtcError};
use cudarc::nvrtc::sys;
use sha2::{Digest, Sha256};
use std::ffi::{CStr, CString};
use std::path::Path;

/// Version of NVRTC, which must be there.
pub fn version() -> (u32, u32) {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: callers have asked whether the library is there; the call writes two numbers.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    (major as u32, minor as u32)
}

/// Machine code of a kernel file for an architecture (`80` for compute capability 8.0), from the folder of compiled
/// kernels if it is there, else from NVRTC; a folder that cannot be written costs only time.
///
/// # Errors
/// NVRTC is not there, or does not accept the file.
pub fn machine_code(
    source: &Source,
    shape: &Shape,
    architecture: u32,
    kept: Option<&Path>,
) -> Result<Vec<u8>, DeviceError> {
    if !has_nvrtc() {
        return Err(DeviceError::NoLibrary("NVRTC (`libnvrtc`)"));
    }
    let (text, options) = (source.text(), options(shape, architecture));
    let file = kept.map(|folder| folder.join(name(source, &text, &options)));
    if let Some(code) = file.as_ref().and_then(|file| whole(std::fs::read(file).ok()?)) {
        return Ok(code);
    }
    let code = compile(source.name, &text, &options)?;
    if let Some(file) = file {
        keep(&file, &code);
    }
    Ok(code)
}

fn options(shape: &Shape, architecture: u32) -> Vec<String> {
    // 177: a function of the common beginning that this file does not call.
    let fixed = [format!("--gpu-architecture=sm_{architecture}"), "--std=c++17".into(), "--diag-suppress=177".into()];
    fixed.into_iter().chain(shape.options()).collect()
}

fn name(source: &Source, text: &str, options: &[String]) -> String {
    let digest = Sha256::digest(format!("{:?}\n{options:?}\n{text}", version()));
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}.cubin", source.name)
}

/// The code of a kept file, which ends with its digest; none where it was cut: the driver would read past its end.
fn whole(mut kept: Vec<u8>) -> Option<Vec<u8>> {
    let code = kept.len().checked_sub(DIGEST)?;
    let same = Sha256::digest(&kept[..code])[..] == kept[code..];
    kept.truncate(code);
    same.then_some(kept)
}

/// Bytes of a digest.
const DIGEST: usize = 32;

/// Written beside and renamed, so that two that compile at once never read half a file.
fn keep(file: &Path, code: &[u8]) {
    let beside = temporary::beside(file);
    let code = [code, &Sha256::digest(code)].concat();
    let folder = file.parent().unwrap_or(Path::new(""));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&beside, code));
    if written.and_then(|()| std::fs::rename(&beside, file)).is_err() {
        let _ = std::fs::remove_file(&beside);
    }
}

fn compile(file: &'static str, text: &str, options: &[String]) -> Result<Vec<u8>, DeviceError> {
    let text = CString::new(text).expect("our sources hold no NUL");
    let title = CString::new(format!("{file}.cu")).expect("our names hold no NUL");
    let wrong = |error: NvrtcError| DeviceError::Compile { file, log: error.to_string() };
    let program = result::create_program(&text, Some(&title)).map_err(wrong)?;
    // SAFETY: the program was made above and is destroyed below, after its last use; text and title outlive it.
    unsafe {
        let compiled = result::compile_program(program, options);
        let outcome = match compiled {
            Ok(()) => code(program).map_err(wrong),
            Err(_) => Err(DeviceError::Compile { file, log: log(program) }),
        };
        result::destroy_program(program).map_err(wrong)?;
        outcome
    }
}

/// # Safety
/// The program has been compiled and not destroyed.
unsafe fn code(program: sys::nvrtcProgram) -> Result<Vec<u8>, NvrtcError> {
    let mut size = 0;
    // SAFETY: the buffer has the size that NVRTC asked for.
    unsafe {
        sys::nvrtcGetCUBINSize(program, &raw mut size).result()?;
        let mut code = vec![0u8; size];
        sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result()?;
        Ok(code)
    }
}

/// # Safety
/// The program has not been destroyed.
unsafe fn log(program: sys::nvrtcProgram) -> String {
    // SAFETY: the caller's promise; NVRTC ends the log with a NUL.
    unsafe {
        match result::get_program_log(program) {
            Ok(log) => CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned(),
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::SOURCES;
    use super::*;
    use crate::engine::Precision;

    fn shape(hidden: usize, heads: usize, activation: u32, precision: Precision) -> Shape {
        Shape { hidden, heads, wide: 4 * hidden, positions: 512, segments: 2, labels: 3, activation, precision }
    }

    /// The widths of MiniLM, of BERT-large, and one that fits no vector; each activation.
    fn shapes() -> Vec<Shape> {
        let widths = [(384, 12, 0), (1024, 16, 1), (24, 3, 2)];
        let both = [Precision::F32, Precision::Bf16];
        widths.iter().flat_map(|&(hidden, heads, act)| both.map(|p| shape(hidden, heads, act, p))).collect()
    }

    #[test]
    fn every_kernel_compiles_with_nvrtc_for_sm_80_and_sm_90() {
        if !has_nvrtc() {
            println!("NOT RUN: no NVRTC; `scripts/cuda-toolkit.sh` brings it and says which variable to set");
            return;
        }
        let mut compiled = 0;
        for shape in shapes() {
            for source in SOURCES.iter().filter(|source| (source.wanted)(&shape)) {
                for architecture in [80, 90] {
                    let code = machine_code(source, &shape, architecture, None).unwrap();
                    for kernel in source.kernels {
                        let found = code.windows(kernel.len()).any(|bytes| bytes == kernel.as_bytes());
                        assert!(found, "{}.cu: {kernel}", source.name);
                    }
                    compiled += 1;
                }
            }
        }
        let (major, minor) = version();
        println!("NVRTC {major}.{minor}: {compiled} files compiled for sm_80 and sm_90");
    }

    #[test]
    fn compiled_kernels_are_kept_by_digest() {
        if !has_nvrtc() {
            println!("NOT RUN: no NVRTC");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let shape = shape(64, 4, 0, Precision::Bf16);
        let source = SOURCES.iter().find(|source| source.name == "cast").unwrap();
        let first = machine_code(source, &shape, 90, Some(folder.path())).unwrap();
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let kept = [&b"kept"[..], &Sha256::digest(b"kept")].concat();
        std::fs::write(&files[0], &kept).unwrap();
        assert_eq!(machine_code(source, &shape, 90, Some(folder.path())).unwrap(), b"kept");
        assert_ne!(machine_code(source, &shape, 80, Some(folder.path())).unwrap(), b"kept");
        for cut in [0, 3, kept.len() - 1] {
            std::fs::write(&files[0], &kept[..cut]).unwrap();
            assert_eq!(machine_code(source, &shape, 90, Some(folder.path())).unwrap(), first, "cut to {cut} bytes");
        }
        assert!(first.starts_with(b"\x7fELF"));
    }

    #[test]
    fn what_nvrtc_says_is_passed_on() {
        if !has_nvrtc() {
            println!("NOT RUN: no NVRTC");
            return;
        }
        let error = compile("broken", "KERNEL", &[]).unwrap_err().to_string();
        assert!(error.starts_with("NVRTC cannot compile broken.cu: ") && error.contains("error"), "{error}");
    }
}

//! What there is to compute on: `repro list --devices`, and the GPU that a command was given.

use super::CliError;
use crate::engine::fast::cpu::bf16_available;
use crate::engine::fast::cuda::SharedGpu;
use crate::engine::fast::cuda::device::{self, Device, DeviceError, Found};
use crate::engine::fast::cuda::engine::has_head;
use crate::engine::{Precision, Processor, threads};
use crate::exit::Exit;
use crate::plan::{CPU, EngineKind, Plan, Run};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// CPU and GPUs, as text.
pub fn to_text() -> String {
    let mut lines = vec!["devices".to_owned(), format!("  {:8} {} threads", "cpu", threads())];
    match device::find() {
        Ok(found) => {
            lines.extend(found.devices.iter().map(device_line));
            lines.push(format!("  {:8} {}", "cuda", libraries(&found)));
        }
        Err(error) => lines.push(format!("  {:8} none: {error}", "cuda")),
    }
    lines.join("\n")
}

/// The same as JSON.
pub fn to_json() -> Value {
    let cuda = match device::find() {
        Ok(found) => json!({
            "driver": found.driver,
            "nvrtc": found.nvrtc.map(|(major, minor)| format!("{major}.{minor}")),
            "cublaslt": found.cublaslt,
            "devices": found.devices.iter().map(device_json).collect::<Vec<_>>(),
        }),
        Err(error) => json!({"error": error.to_string()}),
    };
    json!({"cpu": {"threads": threads()}, "cuda": cuda})
}

fn device_line(device: &Device) -> String {
    let usable = match device::usable(device.ordinal) {
        Ok(_) => String::new(),
        Err(error) => format!("; cannot be used: {error}"),
    };
    format!(
        "  {:8} {}, {} MB, compute capability {}.{}, {} multiprocessors{usable}",
        format!("cuda:{}", device.ordinal),
        device.name,
        device.memory / 1_000_000,
        device.capability.0,
        device.capability.1,
        device.multiprocessors
    )
}

fn libraries(found: &Found) -> String {
    let nvrtc = found.nvrtc.map_or("no NVRTC".into(), |(major, minor)| format!("NVRTC {major}.{minor}"));
    let cublaslt = if found.cublaslt { "cuBLASLt" } else { "no cuBLASLt" };
    format!("driver for CUDA {}.{}, {nvrtc}, {cublaslt}", found.driver / 1000, found.driver % 1000 / 10)
}

fn device_json(device: &Device) -> Value {
    json!({
        "device": format!("cuda:{}", device.ordinal),
        "name": device.name,
        "memory": device.memory,
        "compute_capability": format!("{}.{}", device.capability.0, device.capability.1),
        "multiprocessors": device.multiprocessors,
    })
}

/// Device and arithmetic as plans name them, of what the command line says.
pub fn named(device: Option<&str>, dtype: Option<&str>, engine: EngineKind) -> Result<(String, String), CliError> {
    let wrong = |message: String| Err(CliError::new(Exit::Usage, message));
    let device = device.unwrap_or(CPU);
    let ordinal = match device {
        CPU => None,
        "cuda" => Some(0),
        other => match other.strip_prefix("cuda:").and_then(|number| number.parse::<usize>().ok()) {
            Some(number) => Some(number),
            None => return wrong(format!("unknown --device `{device}`, expected `cpu`, `cuda` or `cuda:N`")),
        },
    };
    let dtype = dtype.unwrap_or(if ordinal.is_some() { "bf16" } else { "f32" });
    if Precision::of(dtype).is_none() {
        return wrong(format!("unknown --dtype `{dtype}`, expected `f32` or `bf16`"));
    }
    match ordinal {
        None if dtype != "f32" && engine == EngineKind::Reference => {
            wrong(format!("--engine reference has no --dtype {dtype}, expected `f32`"))
        }
        Some(_) if engine == EngineKind::Reference => {
            wrong(format!("--engine reference has no --device {device}, expected `cpu`"))
        }
        None => Ok((CPU.into(), dtype.into())),
        Some(number) => Ok((format!("cuda:{number}"), dtype.into())),
    }
}

/// Refuses runs whose head a GPU does not have yet, or what stands under it.
pub fn check_heads(plan: &Plan) -> Result<(), CliError> {
    let lacks = |run: &Run| {
        let lacks =
            [(!has_head(run.head()), "head for this task"), (run.recipe.bilstm_layers > 0, "BiLSTM under a head")];
        lacks.into_iter().find(|(lacks, _)| *lacks).map(|(_, what)| (run.task, what))
    };
    match plan.runs.iter().filter(|run| run.device != CPU).find_map(lacks) {
        Some((task, what)) => {
            let message = format!("{task}: a GPU has no {what} yet, expected `--device cpu`");
            Err(CliError::new(Exit::Usage, message))
        }
        None => Ok(()),
    }
}

/// Opens a device that [`named`] named.
pub fn processor(device: &str, dtype: &str) -> Result<Processor, CliError> {
    let ordinal = device.strip_prefix("cuda:").and_then(|number| number.parse().ok());
    match (ordinal, Precision::of(dtype)) {
        (Some(ordinal), Some(precision)) => Ok(Processor::Gpu { gpu: open(ordinal)?, precision }),
        (None, Some(Precision::Bf16)) if !bf16_available() => {
            let message = "--dtype bf16 on the CPU takes AVX512-BF16 (AMD from Zen 4, Intel Xeon from Sapphire Rapids on): not here";
            Err(CliError::new(Exit::Usage, message))
        }
        (_, precision) => Ok(Processor::Cpu { threads: threads(), precision: precision.unwrap_or(Precision::F32) }),
    }
}

/// Opens a GPU; its compiled kernels are kept in the user's cache folder.
pub fn open(ordinal: usize) -> Result<Arc<SharedGpu>, CliError> {
    SharedGpu::open(ordinal, kernel_folder()).map_err(|error| CliError {
        hint: matches!(error, DeviceError::NoLibrary(_) | DeviceError::NoDriver)
            .then(|| "`repro list --devices` says what was found".into()),
        ..CliError::new(Exit::Usage, error)
    })
}

/// `$XDG_CACHE_HOME/repro/kernels`, else `~/.cache/repro/kernels`; nowhere without a home.
fn kernel_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("repro/kernels"))
}

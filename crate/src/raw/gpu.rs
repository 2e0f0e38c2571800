//! The WebGPU device as TypeScript sees it.
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::{get, give, Handle};
use crate::error::{Error, Kind, Result};
use crate::gpu;
use crate::storage::Device;
use crate::tape::{self, no_grad};
use crate::tensor::{DType, Tensor};

/// 0: "cpu", 1: "webgpu".
#[wasm_bindgen]
pub fn device(handle: Handle) -> Result<u32> {
    Ok((get(handle)?.device() == Device::Gpu) as u32)
}

/// A copy on the GPU.
#[wasm_bindgen(js_name = toGpu)]
pub fn to_gpu(handle: Handle) -> Result<Handle> {
    let tensor = get(handle)?;
    if tape::is_grad_enabled() && tensor.requires_grad() {
        return Err(Error::autograd(
            "no gradient passes from one device to another: move the tensor first, then let it require gradients",
        )
        .of("to"));
    }
    let copies = tape::on_gpu(&[&tensor.detach()]).map_err(|e| e.of("to"))?;
    Ok(give(copies.into_iter().next().unwrap_or(tensor)))
}

/// Moves the memory of a tensor, and of all that share it, to the GPU.
#[wasm_bindgen(js_name = moveToGpu)]
pub fn move_to_gpu(handle: Handle) -> Result<()> {
    let tensor = get(handle)?;
    for t in [Some(tensor.clone()), tensor.grad()].into_iter().flatten() {
        t.storage().move_to_gpu(t.dtype() == DType::I32, "to").map_err(|e| e.of("to"))?;
    }
    Ok(())
}

/// Submits what was asked of the GPU so far.
#[wasm_bindgen(js_name = flushGpu)]
pub fn flush_gpu() -> Result<()> {
    gpu::flush_if_up()
}

/// [live bytes, peak of them, bytes in the pool, buffers in use]
#[wasm_bindgen(js_name = gpuMemoryStats)]
pub fn gpu_memory_stats() -> Vec<f64> {
    let stats = gpu::memory_stats();
    vec![stats.live as f64, stats.peak as f64, stats.pooled as f64, stats.storages as f64]
}

/// What the device was asked for so far: [dispatches, passes, submits, pipelines, bind groups, buffers created,
/// buffers destroyed, writes, bytes uploaded, reads, bytes read].
#[wasm_bindgen(js_name = gpuCounts)]
pub fn gpu_counts() -> Vec<f64> {
    let c = gpu::counts();
    let counts = [
        c.dispatches,
        c.passes,
        c.submits,
        c.pipelines,
        c.bind_groups,
        c.buffers_created,
        c.buffers_destroyed,
        c.writes,
        c.bytes_uploaded,
        c.reads,
        c.bytes_read,
    ];
    counts.map(|count| count as f64).to_vec()
}

/// Whether a device is up and not lost.
#[wasm_bindgen(js_name = gpuIsUp)]
pub fn gpu_is_up() -> bool {
    gpu::is_up()
}

/// The words of a tensor on the GPU, in order, as they are at the time of the call.
#[wasm_bindgen(js_name = readGpu)]
pub fn read_gpu(handle: Handle) -> Result<Promise> {
    let begin = || Reading::of(&get(handle)?);
    let reading = begin().map_err(|e| e.of("data"))?;
    Ok(wasm_bindgen_futures::future_to_promise(async {
        let words = reading.finish().await.map_err(|e| e.of("data"))?;
        Ok(js_sys::Uint32Array::from(&words[..]).into())
    }))
}

/// Moves the memory of a tensor, and of all that share it, to the CPU.
#[wasm_bindgen(js_name = moveToCpu)]
pub async fn move_to_cpu(handle: Handle) -> std::result::Result<(), JsValue> {
    let tensor = get(handle).map_err(|e| e.of("cpu"))?;
    for t in [Some(tensor.clone()), tensor.grad()].into_iter().flatten() {
        if t.device() == Device::Gpu {
            let whole = t.with_layout(crate::shape::Layout::contiguous(vec![t.storage().len()]));
            let begun = Reading::of(&whole).map_err(|e| e.of("cpu"))?;
            let words = begun.finish().await.map_err(|e| e.of("cpu"))?;
            t.storage().move_to_cpu(&words)?;
        }
    }
    Ok(())
}

/// Resolves when the GPU has done all it was asked for; rejects with what went wrong.
#[wasm_bindgen(js_name = synchronizeGpu)]
pub async fn synchronize_gpu() -> std::result::Result<(), JsValue> {
    if !gpu::is_up() {
        return Ok(());
    }
    // A read is the one thing that every engine reports errors before.
    let memory = gpu::allocate(1, "synchronize")?;
    let begun = Reading::of_memory(&memory).map_err(|e| e.of("synchronize"))?;
    begun.finish().await.map_err(|e| e.of("synchronize"))?;
    Ok(())
}

/// A copy for the host that the GPU has been asked for.
struct Reading {
    device: u32,
    /// None: there is nothing to read.
    staging: Option<u32>,
    mapped: Option<Promise>,
    bytes: usize,
}

impl Reading {
    /// Asks for the elements of a tensor: what happens to it from now on does not matter.
    fn of(tensor: &Tensor) -> Result<Reading> {
        let whole = no_grad(|| tensor.contiguous())?;
        let memory = whole.storage().gpu_memory()?;
        if whole.numel() == 0 {
            return Ok(Reading { device: 0, staging: None, mapped: None, bytes: 0 });
        }
        let start = whole.layout().offset;
        Reading::of_memory(&memory.part(start, whole.numel()))
    }

    fn of_memory(memory: &gpu::memory::Memory) -> Result<Reading> {
        let (device, staging) = gpu::start_read(memory)?;
        let mapped = map(device, staging)?;
        Ok(Reading { device, staging: Some(staging), mapped, bytes: memory.len.max(1) * 4 })
    }

    /// Waits for the words, and for what went wrong on the way to them.
    async fn finish(self) -> Result<Vec<u32>> {
        let Some(staging) = self.staging else { return Ok(vec![]) };
        let mapped = match self.mapped {
            Some(promise) => wasm_bindgen_futures::JsFuture::from(promise).await.is_ok(),
            None => false,
        };
        gpu::check_device(self.device)?;
        gpu::take_fault()?;
        let words = if mapped { words(self.device, staging)? } else { None };
        gpu::finish_read(self.device, staging, self.bytes);
        words.ok_or_else(|| Error::new(Kind::Device, "the GPU did not give the memory to the host"))
    }
}

#[cfg(target_arch = "wasm32")]
mod web {
    use super::*;
    use crate::gpu::web::{AdapterInfo, Web};

    fn with_web<R>(device: u32, f: impl FnOnce(&mut Web) -> Option<R>) -> Result<Option<R>> {
        gpu::with_driver_of(device, |driver| driver.as_any().downcast_mut::<Web>().and_then(f))
    }

    pub fn map(device: u32, staging: u32) -> Result<Option<Promise>> {
        with_web(device, |web| web.map(staging))
    }

    pub fn words(device: u32, staging: u32) -> Result<Option<Vec<u32>>> {
        with_web(device, |web| web.mapped(staging))
    }

    thread_local! {
        static INFO: std::cell::RefCell<AdapterInfo> = std::cell::RefCell::default();
    }

    /// Brings a device up that `navigator.gpu` gives. `power`: 0 no preference, 1 low power, 2 high performance.
    /// `software`: whether an adapter will do that a CPU imitates. Resolves to whether a device is up.
    #[wasm_bindgen(js_name = requestGpu)]
    pub async fn request_gpu(power: u32, software: bool) -> std::result::Result<bool, JsValue> {
        let web = Web::request((power > 0).then_some(power == 2)).await.map_err(|e| e.of("useDevice"))?;
        if web.info.software && !software {
            web.destroy_device();
            return Ok(false);
        }
        INFO.replace(web.info.clone());
        gpu::start(|device| {
            web.watch(move |why| gpu::set_lost(device, why), gpu::set_fault);
            Box::new(web)
        });
        Ok(true)
    }

    /// [vendor, architecture, device, description, "software" or ""]
    #[wasm_bindgen(js_name = gpuInfo)]
    pub fn gpu_info() -> Vec<String> {
        let info = INFO.with_borrow(Clone::clone);
        let software = if info.software { "software" } else { "" };
        vec![info.vendor, info.architecture, info.device, info.description, software.into()]
    }

    /// [bytes of a binding, bytes of a buffer, workgroups along an axis, bytes of workgroup memory, storage buffers]
    #[wasm_bindgen(js_name = gpuLimits)]
    pub fn gpu_limits() -> Result<Vec<f64>> {
        let limits = gpu::limits()?;
        Ok(vec![
            limits.binding as f64,
            limits.buffer as f64,
            limits.groups as f64,
            limits.shared as f64,
            limits.storage_buffers as f64,
        ])
    }

    /// Notes every dispatch, and its time where the adapter tells, until `stopGpuProfile`.
    #[wasm_bindgen(js_name = startGpuProfile)]
    pub fn start_gpu_profile() -> Result<()> {
        gpu::flush()?;
        gpu::with_driver(|driver| {
            if let Some(web) = driver.as_any().downcast_mut::<Web>() {
                web.start_timer();
            }
        })
    }

    /// For each dispatch: its label, workgroups, start and length in milliseconds (NaN where they are not known).
    #[wasm_bindgen(js_name = stopGpuProfile)]
    pub async fn stop_gpu_profile() -> std::result::Result<js_sys::Array, JsValue> {
        gpu::flush()?;
        let timer =
            gpu::with_driver(|driver| driver.as_any().downcast_mut::<Web>().and_then(Web::stop_timer))?;
        let spans = match timer {
            Some(timer) => timer.spans().await,
            None => vec![],
        };
        let first = spans.iter().filter_map(|span| span.time).map(|(start, _)| start).min().unwrap_or(0);
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        let row = |span: &crate::gpu::timer::Span| {
            let (start, length) = span.time.map_or((f64::NAN, f64::NAN), |(a, b)| {
                (milliseconds(a.saturating_sub(first)), milliseconds(b.saturating_sub(a)))
            });
            let groups: f64 = span.grid.iter().map(|&size| size as f64).product();
            js_sys::Array::of4(&span.label.as_str().into(), &groups.into(), &start.into(), &length.into())
        };
        Ok(spans.iter().map(row).collect())
    }

    /// Gives the device up: tensors on it are lost.
    #[wasm_bindgen(js_name = destroyGpu)]
    pub fn destroy_gpu() -> Result<()> {
        gpu::flush()?;
        gpu::with_driver(|driver| {
            if let Some(web) = driver.as_any().downcast_mut::<Web>() {
                web.destroy_device();
            }
        })?;
        gpu::set_up_device_lost("it was destroyed");
        Ok(())
    }
}

#[cfg(target_arch = "wasm32")]
use web::{map, words};

/// Only the driver for WebGPU reads.
#[cfg(not(target_arch = "wasm32"))]
fn map(_: u32, _: u32) -> Result<Option<Promise>> {
    Ok(None)
}

#[cfg(not(target_arch = "wasm32"))]
fn words(_: u32, _: u32) -> Result<Option<Vec<u32>>> {
    Ok(None)
}

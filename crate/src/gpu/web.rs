//! The driver that computes: wgpu on the browser's WebGPU, or Node's.
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen::JsCast;

use super::driver::{Command, Counts, Driver, Limits, ReadBack, UNIFORM_BUFFER, UNIFORM_BYTES};
use super::memory::{BufferId, Region};
use super::timer::{self, Timer};
use crate::error::{Error, Kind};

/// What is told of an adapter.
#[derive(Clone, Debug, Default)]
pub struct AdapterInfo {
    pub vendor: String,
    pub architecture: String,
    pub device: String,
    pub description: String,
    /// Whether a CPU does the work.
    pub software: bool,
}

struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: Rc<Layout>,
}

/// Layouts are shared by all kernels that bind the same kinds of buffers.
struct Layout {
    id: usize,
    bindings: wgpu::BindGroupLayout,
    pipelines: wgpu::PipelineLayout,
}

pub struct Web {
    device: wgpu::Device,
    queue: wgpu::Queue,
    limits: Limits,
    pub info: AdapterInfo,
    buffers: HashMap<BufferId, wgpu::Buffer>,
    uniforms: wgpu::Buffer,
    layouts: HashMap<Vec<bool>, Rc<Layout>>,
    pipelines: HashMap<Rc<str>, Pipeline>,
    /// Bind groups by layout and what they bind.
    groups: HashMap<(usize, Vec<Region>), wgpu::BindGroup>,
    counts: Counts,
    /// While a profile is taken.
    timer: Option<Timer>,
}

/// Bind groups that are kept, at most: programs whose steps differ would pile them up.
const GROUPS_KEPT: usize = 8192;

fn failed(why: impl Into<String>) -> Error {
    Error::new(Kind::Device, why)
}

impl Web {
    /// Asks `navigator.gpu` for a device.
    pub async fn request(high_performance: Option<bool>) -> Result<Web, Error> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::BROWSER_WEBGPU;
        let instance = wgpu::Instance::new(descriptor);
        let adapter = instance
            .request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: match high_performance {
                    None => wgpu::PowerPreference::None,
                    Some(false) => wgpu::PowerPreference::LowPower,
                    Some(true) => wgpu::PowerPreference::HighPerformance,
                },
                ..Default::default()
            })
            .await
            .map_err(|_| failed("WebGPU is there, but it has no adapter"))?;
        let has = adapter.limits();
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
            max_buffer_size: has.max_buffer_size,
            max_compute_workgroup_storage_size: has.max_compute_workgroup_storage_size,
            max_storage_buffers_per_shader_stage: has.max_storage_buffers_per_shader_stage,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                required_limits: limits,
                required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
                ..Default::default()
            })
            .await
            .map_err(|error| failed(format!("the adapter gave no device: {error}")))?;
        let info = adapter_info(&device, adapter.get_info().device_type == wgpu::DeviceType::Cpu);
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniforms"),
            // The last dispatch's uniform may reach behind the last stride.
            size: (UNIFORM_BUFFER + UNIFORM_BYTES) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Ok(Web {
            limits: Limits {
                binding: has.max_storage_buffer_binding_size,
                buffer: has.max_buffer_size,
                groups: has.max_compute_workgroups_per_dimension,
                shared: has.max_compute_workgroup_storage_size,
                storage_buffers: has.max_storage_buffers_per_shader_stage,
            },
            device,
            queue,
            info,
            buffers: HashMap::new(),
            uniforms,
            layouts: HashMap::new(),
            pipelines: HashMap::new(),
            groups: HashMap::new(),
            counts: Counts::default(),
            timer: None,
        })
    }

    /// Calls `lost` when the device is gone, and `fault` for what goes wrong on it.
    pub fn watch(&self, lost: impl Fn(String) + Send + 'static, fault: impl Fn(Error) + 'static) {
        self.device.set_device_lost_callback(move |reason, message| {
            let how = if reason == wgpu::DeviceLostReason::Destroyed {
                "it was destroyed"
            } else {
                "reason unknown"
            };
            lost(if message.is_empty() { how.to_string() } else { format!("{how}: {message}") });
        });
        // Not wgpu's own handler: that one panics on errors of kinds it does not know.
        let Some(device) = self.device.as_webgpu() else { return };
        let handler = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
            // Handled: the browser need not print it.
            if let Ok(prevent) = Reflect::get(&event, &"preventDefault".into()) {
                if let Some(prevent) = prevent.dyn_ref::<js_sys::Function>() {
                    let _ = prevent.call0(&event);
                }
            }
            let error = get(&event, "error");
            let kind = match get(&get(&error, "constructor"), "name").as_string().as_deref() {
                Some("GPUOutOfMemoryError") => Kind::Memory,
                _ => Kind::Device,
            };
            fault(Error::new(kind, format!("webgpu: {}", text(&error, "message"))));
        });
        let _ = Reflect::set(device.as_ref(), &"onuncapturederror".into(), handler.as_ref());
        // It lives as long as the device.
        handler.forget();
    }

    /// Resolves when the host may read a staging buffer.
    pub fn map(&self, staging: BufferId) -> Option<js_sys::Promise> {
        self.buffers.get(&staging).map(timer::map)
    }

    /// Notes every dispatch, and its time, until [`Web::stop_timer`].
    pub fn start_timer(&mut self) {
        self.timer = Some(Timer::new(&self.device));
    }

    pub fn stop_timer(&mut self) -> Option<Timer> {
        self.timer.take()
    }

    /// The words of a mapped staging buffer, which is unmapped.
    pub fn mapped(&self, staging: BufferId) -> Option<Vec<u32>> {
        let buffer = self.buffers.get(&staging)?;
        let words = buffer.slice(..).get_mapped_range().ok().map(|range| {
            let mut words = vec![0; range.len() / 4];
            bytemuck::cast_slice_mut(&mut words).copy_from_slice(&range);
            words
        });
        buffer.unmap();
        words
    }

    pub fn destroy_device(&self) {
        self.device.destroy();
    }

    fn layout(&mut self, regions: &[(Region, bool)]) -> Rc<Layout> {
        let writes: Vec<bool> = regions.iter().map(|(_, write)| *write).collect();
        if let Some(layout) = self.layouts.get(&writes) {
            return layout.clone();
        }
        let entry = |binding: usize, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: ty == wgpu::BufferBindingType::Uniform,
                min_binding_size: None,
            },
            count: None,
        };
        let mut entries: Vec<_> = writes
            .iter()
            .enumerate()
            .map(|(i, write)| entry(i, wgpu::BufferBindingType::Storage { read_only: !write }))
            .collect();
        entries.push(entry(entries.len(), wgpu::BufferBindingType::Uniform));
        let bindings = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipelines = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
        let layout = Rc::new(Layout { id: self.layouts.len(), bindings, pipelines });
        self.layouts.insert(writes, layout.clone());
        layout
    }

    fn prepare(&mut self, command: &Command) {
        if !self.pipelines.contains_key(command.source) {
            let layout = self.layout(command.regions);
            let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(command.label),
                source: wgpu::ShaderSource::Wgsl(command.source.as_ref().into()),
            });
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(command.label),
                layout: Some(&layout.pipelines),
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            });
            self.counts.pipelines += 1;
            self.pipelines.insert(command.source.clone(), Pipeline { pipeline, layout });
        }
        let layout = self.pipelines[command.source].layout.clone();
        let key = group_key(layout.id, command.regions);
        if self.groups.contains_key(&key) {
            return;
        }
        let part = |buffer, offset: u32, bytes: u64| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: offset as u64,
                size: wgpu::BufferSize::new(bytes),
            })
        };
        let mut entries: Vec<wgpu::BindGroupEntry> = vec![];
        for (i, (region, _)) in command.regions.iter().enumerate() {
            let resource = part(&self.buffers[&region.buffer], region.offset * 4, region.words as u64 * 4);
            entries.push(wgpu::BindGroupEntry { binding: i as u32, resource });
        }
        let resource = part(&self.uniforms, 0, UNIFORM_BYTES as u64);
        entries.push(wgpu::BindGroupEntry { binding: entries.len() as u32, resource });
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout.bindings,
            entries: &entries,
        });
        self.counts.bind_groups += 1;
        self.groups.insert(key, group);
    }
}

fn group_key(layout: usize, regions: &[(Region, bool)]) -> (usize, Vec<Region>) {
    (layout, regions.iter().map(|(region, _)| *region).collect())
}

impl Driver for Web {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn create(&mut self, id: BufferId, bytes: usize, op: &str) {
        // An allocation that fails is told later: with the operation's name.
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes as u64,
            usage,
            mapped_at_creation: false,
        });
        self.counts.buffers_created += 1;
        self.buffers.insert(id, buffer);
        let (error, op) = (scope.pop(), op.to_string());
        wasm_bindgen_futures::spawn_local(async move {
            if error.await.is_some() {
                super::set_fault(
                    Error::memory(format!("out of GPU memory: {bytes} bytes asked for")).of(&op),
                );
            }
        });
    }

    fn create_staging(&mut self, id: BufferId, bytes: usize) {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: bytes as u64,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.counts.buffers_created += 1;
        self.buffers.insert(id, buffer);
    }

    fn destroy(&mut self, id: BufferId) {
        if let Some(buffer) = self.buffers.remove(&id) {
            // Dropping it would free nothing until the garbage collector finds out.
            buffer.destroy();
            self.counts.buffers_destroyed += 1;
            self.groups.retain(|(_, regions), _| regions.iter().all(|region| region.buffer != id));
        }
    }

    fn write(&mut self, region: Region, words: &[u32]) {
        if let Some(buffer) = self.buffers.get(&region.buffer) {
            self.queue.write_buffer(buffer, region.offset as u64 * 4, bytemuck::cast_slice(words));
            self.counts.writes += 1;
            self.counts.bytes_uploaded += words.len() * 4;
        }
    }

    fn submit(&mut self, uniforms: &[u32], commands: &[Command], read: Option<ReadBack>) {
        // Before they are made: all groups of this submission are needed at once.
        if self.groups.len() + commands.len() > GROUPS_KEPT {
            self.groups.clear();
        }
        commands.iter().for_each(|command| self.prepare(command));
        if !uniforms.is_empty() {
            self.queue.write_buffer(&self.uniforms, 0, bytemuck::cast_slice(uniforms));
            self.counts.writes += 1;
            self.counts.bytes_uploaded += uniforms.len() * 4;
        }
        let mut encoder = self.device.create_command_encoder(&Default::default());
        // One pass; one each where they are timed.
        let length = if self.timer.is_some() { 1 } else { commands.len().max(1) };
        for (i, commands) in commands.chunks(length).enumerate() {
            let timestamp_writes = self.timer.as_ref().and_then(|timer| timer.writes(i));
            let mut pass =
                encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
            for command in commands {
                let pipeline = &self.pipelines[command.source];
                pass.set_pipeline(&pipeline.pipeline);
                let group = &self.groups[&group_key(pipeline.layout.id, command.regions)];
                pass.set_bind_group(0, group, &[command.uniform]);
                let [x, y, z] = command.grid;
                pass.dispatch_workgroups(x, y, z);
            }
            self.counts.passes += 1;
            self.counts.dispatches += commands.len();
        }
        if let Some(timer) = &mut self.timer {
            timer.note(&self.device, &mut encoder, commands);
        }
        if let Some((region, staging)) = read {
            let (from, to) = (&self.buffers[&region.buffer], &self.buffers[&staging]);
            encoder.copy_buffer_to_buffer(from, region.offset as u64 * 4, to, 0, region.words as u64 * 4);
            self.counts.reads += 1;
            self.counts.bytes_read += region.words as usize * 4;
        }
        self.counts.submits += 1;
        self.queue.submit([encoder.finish()]);
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn text(object: &JsValue, name: &str) -> String {
    get(object, name).as_string().unwrap_or_default()
}

/// Names that programs which imitate a GPU give themselves; not every engine says `isFallbackAdapter`.
const SOFTWARE: [&str; 5] = ["swiftshader", "llvmpipe", "lavapipe", "software", "basic render"];

fn adapter_info(device: &wgpu::Device, fallback: bool) -> AdapterInfo {
    let info = device.as_webgpu().map_or(JsValue::UNDEFINED, |device| get(device.as_ref(), "adapterInfo"));
    let info = AdapterInfo {
        vendor: text(&info, "vendor"),
        architecture: text(&info, "architecture"),
        device: text(&info, "device"),
        description: text(&info, "description"),
        software: fallback || get(&info, "isFallbackAdapter").is_truthy(),
    };
    let all = format!("{} {} {}", info.architecture, info.device, info.description).to_lowercase();
    AdapterInfo { software: info.software || SOFTWARE.iter().any(|name| all.contains(name)), ..info }
}

//! Times of dispatches by timestamp queries: while a profile is taken every dispatch is a pass of its own.
use js_sys::Promise;

use super::driver::Command;
use super::queue::LONGEST;

/// A dispatch as a profile shows it.
#[derive(Clone, Debug)]
pub struct Span {
    pub label: String,
    pub grid: [u32; 3],
    /// Nanoseconds of the device's clock; none where the adapter has no timestamps.
    pub time: Option<(u64, u64)>,
}

/// Bytes of a timestamp.
const BYTES: u64 = 8;

/// What is noted of dispatches until the profile ends.
pub struct Timer {
    /// Two timestamps a dispatch, and where they are resolved to.
    queries: Option<(wgpu::QuerySet, wgpu::Buffer)>,
    batches: Vec<(Vec<Span>, Option<wgpu::Buffer>)>,
}

impl Timer {
    pub fn new(device: &wgpu::Device) -> Self {
        let count = 2 * (LONGEST + 8) as u32;
        let queries = device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| {
            let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("profile"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
            (queries, buffer(device, count as u64 * BYTES, usage))
        });
        Timer { queries, batches: vec![] }
    }

    /// Where pass `i` of a submission writes its times.
    pub fn writes(&self, i: usize) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        self.queries.as_ref().map(|(query_set, _)| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(2 * i as u32),
            end_of_pass_write_index: Some(2 * i as u32 + 1),
        })
    }

    /// Notes the dispatches of a submission, and copies their times to where the host can read them.
    pub fn note(&mut self, device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder, commands: &[Command]) {
        let span = |c: &Command| Span { label: c.label.to_string(), grid: c.grid, time: None };
        let spans: Vec<Span> = commands.iter().map(span).collect();
        let staging = self.queries.as_ref().filter(|_| !spans.is_empty()).map(|(queries, resolved)| {
            let bytes = 2 * spans.len() as u64 * BYTES;
            let staging = buffer(device, bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            encoder.resolve_query_set(queries, 0..2 * spans.len() as u32, resolved, 0);
            encoder.copy_buffer_to_buffer(resolved, 0, &staging, 0, bytes);
            staging
        });
        self.batches.push((spans, staging));
    }

    /// All dispatches, with their times once the GPU has done them.
    pub async fn spans(self) -> Vec<Span> {
        let mut all = vec![];
        for (mut spans, staging) in self.batches {
            if let Some(staging) = staging {
                if wasm_bindgen_futures::JsFuture::from(map(&staging)).await.is_ok() {
                    if let Ok(range) = staging.slice(..).get_mapped_range() {
                        let mut times = vec![0u64; range.len() / BYTES as usize];
                        bytemuck::cast_slice_mut(&mut times).copy_from_slice(&range);
                        for (span, time) in spans.iter_mut().zip(times.chunks_exact(2)) {
                            span.time = Some((time[0], time[1]));
                        }
                    }
                }
                staging.destroy();
            }
            all.append(&mut spans);
        }
        if let Some((queries, resolved)) = self.queries {
            resolved.destroy();
            drop(queries);
        }
        all
    }
}

fn buffer(device: &wgpu::Device, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("profile"),
        size,
        usage,
        mapped_at_creation: false,
    })
}

/// Resolves when the host may read `buffer`.
pub fn map(buffer: &wgpu::Buffer) -> Promise {
    let buffer = buffer.clone();
    let mut start = move |resolve: js_sys::Function, reject: js_sys::Function| {
        buffer.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            let settle = if result.is_ok() { &resolve } else { &reject };
            let _ = settle.call0(&wasm_bindgen::JsValue::NULL);
        });
    };
    Promise::new(&mut start)
}

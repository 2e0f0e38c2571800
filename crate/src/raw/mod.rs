//! What TypeScript sees: integer handles of tensors, numbers as f64, and typed arrays for up- and download.
//!
//! Numbers cross as f64 because wasm-bindgen turns -1, NaN and 2.5 into some `u32` without a word; `Args` checks them.
mod gpu;

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::args::shape_from;
use crate::error::{Error, Result};
use crate::ops::{self, Operation};
use crate::storage::Device;
use crate::tensor::{DType, Meta, Tensor};
use crate::{profile, random, storage, tape};

/// A handle of a tensor; 0 stands for none.
type Handle = u32;

/// Tensors that TypeScript holds; a handle is an index + 1.
#[derive(Default)]
struct Handles {
    tensors: Vec<Option<Tensor>>,
    free: Vec<Handle>,
}

thread_local! {
    static HANDLES: RefCell<Handles> = RefCell::default();
    static OPERATIONS: Vec<Operation> = ops::operations();
    /// Makes a typed JavaScript error from a kind and a message.
    static ERROR_FACTORY: RefCell<Option<Function>> = const { RefCell::new(None) };
}

fn give(tensor: Tensor) -> Handle {
    HANDLES.with_borrow_mut(|handles| match handles.free.pop() {
        Some(handle) => {
            handles.tensors[handle as usize - 1] = Some(tensor);
            handle
        }
        None => {
            handles.tensors.push(Some(tensor));
            handles.tensors.len() as Handle
        }
    })
}

fn get(handle: Handle) -> Result<Tensor> {
    HANDLES
        .with_borrow(|handles| handles.tensors.get((handle as usize).wrapping_sub(1)).cloned().flatten())
        .ok_or_else(|| Error::argument("the tensor was disposed"))
}

fn get_all(handles: &[Handle]) -> Result<Vec<Tensor>> {
    handles.iter().map(|&handle| get(handle)).collect()
}

fn optional(handle: Handle) -> Result<Option<Tensor>> {
    if handle == 0 {
        Ok(None)
    } else {
        get(handle).map(Some)
    }
}

impl From<Error> for JsValue {
    fn from(error: Error) -> JsValue {
        let message = JsValue::from_str(&error.message);
        ERROR_FACTORY.with_borrow(|factory| match factory {
            Some(make) => make
                .call2(&JsValue::NULL, &JsValue::from_str(error.kind.name()), &message)
                .unwrap_or_else(|thrown| thrown),
            None => js_sys::Error::new(&error.message).into(),
        })
    }
}

#[wasm_bindgen(js_name = setErrorFactory)]
pub fn set_error_factory(factory: Function) {
    ERROR_FACTORY.with_borrow_mut(|current| *current = Some(factory));
}

/// The names of the operations; an operation's id is its place.
#[wasm_bindgen]
pub fn operations() -> Vec<String> {
    OPERATIONS.with(|operations| operations.iter().map(|op| op.name.to_string()).collect())
}

fn with_operation<R>(id: u32, f: impl FnOnce(&Operation) -> Result<R>) -> Result<R> {
    OPERATIONS.with(|operations| {
        let operation = operations.get(id as usize);
        f(operation.ok_or_else(|| Error::argument(format!("there is no operation {id}")))?)
    })
}

/// Runs an operation; returns the handles of its outputs.
#[wasm_bindgen]
pub fn apply(op: u32, inputs: &[Handle], args: &[f64]) -> Result<Vec<Handle>> {
    with_operation(op, |operation| {
        let inputs = get_all(inputs).map_err(|e| e.of(operation.name))?;
        Ok(operation.run(&inputs, args)?.into_iter().map(give).collect())
    })
}

/// `target = op(target, inputs...)`.
#[wasm_bindgen(js_name = applyInPlace)]
pub fn apply_in_place(op: u32, target: Handle, inputs: &[Handle], args: &[f64]) -> Result<()> {
    with_operation(op, |operation| {
        let named = |e: Error| e.of(operation.name);
        operation.run_in_place(&get(target).map_err(named)?, &get_all(inputs).map_err(named)?, args)
    })
}

/// Sample `i` of an operation, for tests that run over all of them: [number of inputs, their handles, arguments].
/// Empty where there is no such sample.
#[wasm_bindgen]
pub fn sample(op: u32, i: u32) -> Result<Vec<f64>> {
    with_operation(op, |operation| {
        let Some(sample) = (operation.samples)().into_iter().nth(i as usize) else { return Ok(vec![]) };
        let mut numbers = vec![sample.inputs.len() as f64];
        numbers.extend(sample.inputs.into_iter().map(|input| give(input) as f64));
        numbers.extend(sample.args);
        Ok(numbers)
    })
}

/// A step of a multi-tensor optimizer.
#[wasm_bindgen]
pub fn update(op: &str, tensors: &[Handle], args: &[f64]) -> Result<()> {
    ops::optim::update(op, &get_all(tensors)?, &mut crate::args::Args::new(args))
}

#[wasm_bindgen(js_name = fromF32)]
pub fn from_f32(data: &[f32], shape: &[f64]) -> Result<Handle> {
    Ok(give(Tensor::from_f32(data, &shape_from(shape)?).map_err(|e| e.of("tensor"))?))
}

#[wasm_bindgen(js_name = fromI32)]
pub fn from_i32(data: &[i32], shape: &[f64]) -> Result<Handle> {
    Ok(give(Tensor::from_i32(data, &shape_from(shape)?).map_err(|e| e.of("tensor"))?))
}

#[wasm_bindgen(js_name = fromBool)]
pub fn from_bool(data: &[u8], shape: &[f64]) -> Result<Handle> {
    let words: Vec<u32> = data.iter().map(|&b| (b != 0) as u32).collect();
    Ok(give(Tensor::from_words(&words, shape_from(shape)?, DType::Bool).map_err(|e| e.of("tensor"))?))
}

const DTYPES: [DType; 3] = [DType::F32, DType::I32, DType::Bool];

fn dtype_from(code: u32) -> Result<DType> {
    DTYPES.get(code as usize).copied().ok_or_else(|| Error::dtype(format!("there is no dtype {code}")))
}

/// A tensor of one value, on the CPU unless `on_gpu`.
#[wasm_bindgen]
pub fn full(shape: &[f64], value: f64, dtype: u32, on_gpu: Option<bool>) -> Result<Handle> {
    let device = if on_gpu == Some(true) { Device::Gpu } else { Device::Cpu };
    Ok(give(Tensor::full_on(device, &Meta::new(shape_from(shape)?, dtype_from(dtype)?), value)?))
}

#[wasm_bindgen]
pub fn free(handle: Handle) {
    let tensor = HANDLES.with_borrow_mut(|handles| {
        let tensor = handles.tensors.get_mut((handle as usize).wrapping_sub(1)).and_then(Option::take);
        if tensor.is_some() {
            handles.free.push(handle);
        }
        tensor
    });
    // Outside of the borrow: dropping a graph may take long, but never comes back here.
    drop(tensor);
}

/// A second handle of the same tensor.
#[wasm_bindgen]
pub fn alias(handle: Handle) -> Result<Handle> {
    Ok(give(get(handle)?))
}

fn as_f64(sizes: &[usize]) -> Vec<f64> {
    sizes.iter().map(|&size| size as f64).collect()
}

#[wasm_bindgen]
pub fn shape(handle: Handle) -> Result<Vec<f64>> {
    Ok(as_f64(get(handle)?.shape()))
}

#[wasm_bindgen]
pub fn strides(handle: Handle) -> Result<Vec<f64>> {
    Ok(as_f64(&get(handle)?.layout().strides))
}

#[wasm_bindgen]
pub fn offset(handle: Handle) -> Result<f64> {
    Ok(get(handle)?.layout().offset as f64)
}

#[wasm_bindgen]
pub fn dtype(handle: Handle) -> Result<u32> {
    let dtype = get(handle)?.dtype();
    Ok(DTYPES.iter().position(|&d| d == dtype).unwrap_or(0) as u32)
}

#[wasm_bindgen(js_name = requiresGrad)]
pub fn requires_grad(handle: Handle) -> Result<bool> {
    Ok(get(handle)?.requires_grad())
}

#[wasm_bindgen(js_name = setRequiresGrad)]
pub fn set_requires_grad(handle: Handle, on: bool) -> Result<()> {
    get(handle)?.set_requires_grad(on).map_err(|e| e.of("requires_grad"))
}

#[wasm_bindgen(js_name = isLeaf)]
pub fn is_leaf(handle: Handle) -> Result<bool> {
    Ok(get(handle)?.is_leaf())
}

/// As PyTorch prints it, or "".
#[wasm_bindgen(js_name = gradFn)]
pub fn grad_fn(handle: Handle) -> Result<String> {
    Ok(tape::node_of(&get(handle)?)?.map_or(String::new(), |node| node.name()))
}

#[wasm_bindgen(js_name = retainGrad)]
pub fn retain_grad(handle: Handle) -> Result<()> {
    get(handle)?.retain_grad().map_err(|e| e.of("retain_grad"))
}

#[wasm_bindgen]
pub fn version(handle: Handle) -> Result<u32> {
    Ok(get(handle)?.storage().version())
}

#[wasm_bindgen(js_name = isContiguous)]
pub fn is_contiguous(handle: Handle) -> Result<bool> {
    Ok(get(handle)?.is_contiguous())
}

#[wasm_bindgen(js_name = sharesStorage)]
pub fn shares_storage(a: Handle, b: Handle) -> Result<bool> {
    Ok(std::rc::Rc::ptr_eq(get(a)?.storage(), get(b)?.storage()))
}

/// Equal for handles of one tensor.
#[wasm_bindgen]
pub fn identity(handle: Handle) -> Result<f64> {
    Ok(get(handle)?.id() as f64)
}

#[wasm_bindgen]
pub fn grad(handle: Handle) -> Result<Handle> {
    Ok(get(handle)?.grad().map_or(0, give))
}

#[wasm_bindgen(js_name = setGrad)]
pub fn set_grad(handle: Handle, grad: Handle) -> Result<()> {
    get(handle)?.set_grad(optional(grad)?).map_err(|e| e.of("grad"))
}

#[wasm_bindgen]
pub fn backward(handle: Handle, gradient: Handle, retain_graph: bool) -> Result<()> {
    let root = get(handle).map_err(|e| e.of("backward"))?;
    tape::backward(&root, optional(gradient)?.as_ref(), retain_graph)
}

#[wasm_bindgen]
pub fn detach(handle: Handle) -> Result<Handle> {
    Ok(give(get(handle)?.detach()))
}

/// Returns what it was.
#[wasm_bindgen(js_name = setGradEnabled)]
pub fn set_grad_enabled(on: bool) -> bool {
    tape::set_grad_enabled(on)
}

#[wasm_bindgen(js_name = isGradEnabled)]
pub fn is_grad_enabled() -> bool {
    tape::is_grad_enabled()
}

fn expect_dtype(tensor: &Tensor, dtype: DType) -> Result<()> {
    if tensor.dtype() == dtype {
        return Ok(());
    }
    Err(Error::dtype(format!("expected {}, got {}", dtype.name(), tensor.dtype().name())).of("data"))
}

#[wasm_bindgen(js_name = readF32)]
pub fn read_f32(handle: Handle) -> Result<Vec<f32>> {
    let tensor = get(handle).map_err(|e| e.of("data"))?;
    expect_dtype(&tensor, DType::F32)?;
    tensor.to_vec_f32()
}

#[wasm_bindgen(js_name = readI32)]
pub fn read_i32(handle: Handle) -> Result<Vec<i32>> {
    let tensor = get(handle).map_err(|e| e.of("data"))?;
    expect_dtype(&tensor, DType::I32)?;
    tensor.to_vec_i32()
}

#[wasm_bindgen(js_name = readBool)]
pub fn read_bool(handle: Handle) -> Result<Vec<u8>> {
    let tensor = get(handle).map_err(|e| e.of("data"))?;
    expect_dtype(&tensor, DType::Bool)?;
    tensor.read(|words| words.iter().map(|&word| word as u8).collect())
}

#[wasm_bindgen]
pub fn item(handle: Handle) -> Result<f64> {
    get(handle).map_err(|e| e.of("item"))?.item()
}

/// [live bytes, peak of them, storages, handles, bytes of the WASM memory].
#[wasm_bindgen(js_name = memoryStats)]
pub fn memory_stats() -> Vec<f64> {
    let stats = storage::memory_stats();
    let handles = HANDLES.with_borrow(|handles| handles.tensors.len() - handles.free.len());
    vec![stats.live as f64, stats.peak as f64, stats.storages as f64, handles as f64, wasm_bytes()]
}

#[cfg(target_arch = "wasm32")]
fn wasm_bytes() -> f64 {
    core::arch::wasm32::memory_size(0) as f64 * 65536.0
}

#[cfg(not(target_arch = "wasm32"))]
fn wasm_bytes() -> f64 {
    0.0
}

#[wasm_bindgen(js_name = resetPeakMemory)]
pub fn reset_peak_memory() {
    storage::reset_peak_memory();
    crate::gpu::reset_peak_memory();
}

/// Notes how long operations take on the CPU, until `stopProfile`.
#[wasm_bindgen(js_name = startProfile)]
pub fn start_profile() {
    profile::start();
}

/// [name, start, length] of each operation, in milliseconds.
#[wasm_bindgen(js_name = stopProfile)]
pub fn stop_profile() -> js_sys::Array {
    let row = |(name, start, length): profile::Event| {
        js_sys::Array::of3(&name.into(), &start.into(), &length.into())
    };
    profile::stop().into_iter().map(row).collect()
}

#[wasm_bindgen(js_name = newGenerator)]
pub fn new_generator() -> u32 {
    random::new_generator()
}

#[wasm_bindgen(js_name = freeGenerator)]
pub fn free_generator(gen: u32) {
    random::free_generator(gen);
}

/// A seed as PyTorch takes it: an integer, from -2^63 where negative.
fn seed_from(seed: f64) -> Result<u64> {
    if seed.fract() != 0.0 || !(-9.223_372_036_854_776e18..1.844_674_407_370_955_2e19).contains(&seed) {
        return Err(
            Error::argument(format!("a seed must be an integer of 64 bits, got {seed}")).of("manualSeed")
        );
    }
    Ok(if seed < 0.0 { seed as i64 as u64 } else { seed as u64 })
}

#[wasm_bindgen]
pub fn seed(gen: u32, seed: f64) -> Result<()> {
    random::seed(gen, seed_from(seed)?)
}

#[wasm_bindgen(js_name = initialSeed)]
pub fn initial_seed(gen: u32) -> Result<f64> {
    Ok(random::initial_seed(gen)? as f64)
}

#[wasm_bindgen(js_name = getState)]
pub fn get_state(gen: u32) -> Result<Vec<u8>> {
    random::state(gen)
}

#[wasm_bindgen(js_name = setState)]
pub fn set_state(gen: u32, state: &[u8]) -> Result<()> {
    random::set_state(gen, state)
}

#[wasm_bindgen(js_name = randUniform)]
pub fn rand_uniform(gen: u32, shape: &[f64], low: f64, high: f64) -> Result<Handle> {
    Ok(give(random::uniform(gen, &shape_from(shape)?, low, high)?))
}

#[wasm_bindgen(js_name = randNormal)]
pub fn rand_normal(gen: u32, shape: &[f64], mean: f64, std: f64) -> Result<Handle> {
    Ok(give(random::normal(gen, &shape_from(shape)?, mean, std)?))
}

#[wasm_bindgen(js_name = randInt)]
pub fn rand_int(gen: u32, shape: &[f64], low: f64, high: f64) -> Result<Handle> {
    let bounds = [low, high];
    let mut args = crate::args::Args::new(&bounds);
    let (low, high) = (args.int("low")?, args.int("high")?);
    Ok(give(random::integers(gen, &shape_from(shape)?, low, high)?))
}

#[wasm_bindgen(js_name = randPerm)]
pub fn rand_perm(gen: u32, n: f64) -> Result<Handle> {
    let n = shape_from(&[n])?;
    Ok(give(random::permutation(gen, n[0])?))
}

#[wasm_bindgen(js_name = randBernoulli)]
pub fn rand_bernoulli(gen: u32, shape: &[f64], p: f64) -> Result<Handle> {
    Ok(give(random::bernoulli(gen, &shape_from(shape)?, p)?))
}

/// An integer of 63 bits, as the base seed of a data loader.
#[wasm_bindgen(js_name = randInt63)]
pub fn rand_int63(gen: u32) -> Result<i64> {
    random::int63(gen)
}

//! A kernel as data: WGSL, what it binds, its numbers and its grid. Operations make them, the queue runs them.
use std::borrow::Cow;

use super::prelude;
use crate::op::GpuInput;
use crate::tensor::{DType, Meta};

/// Threads of a workgroup in elementwise kernels.
pub const THREADS: usize = 256;
/// Workgroups along x in an elementwise kernel, before it grows along y: no dimension may exceed 65,535.
pub const GROUPS_X: usize = 32_768;

/// What an operation does on the GPU.
pub enum Plan {
    /// Dispatches in this order, with scratch buffers of so many words between them.
    Kernels { kernels: Vec<Kernel>, scratch: Vec<usize> },
    /// These words for an output, which the host has drawn, then a dispatch.
    Upload { output: usize, words: Vec<u32>, kernel: Kernel },
    /// One value an element, from inputs that lie in order: it can become part of the kernel before it.
    Pointwise(Pointwise),
}

impl From<Kernel> for Plan {
    fn from(kernel: Kernel) -> Self {
        Plan::Kernels { kernels: vec![kernel], scratch: vec![] }
    }
}

/// `out[i] = expression(value[i], read[i])` in float32, with two numbers `p.a` and `p.b`.
#[derive(Clone, Copy, Debug)]
pub struct Pointwise {
    /// The name in the expression of input 0, which a kernel before may have computed.
    pub value: &'static str,
    /// The name of input 1, if there is one. It has as many elements.
    pub read: Option<&'static str>,
    /// WGSL, with the functions of [`prelude`].
    pub expression: &'static str,
    pub numbers: [f32; 2],
}

/// Which memory a binding names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Input(usize),
    Output(usize),
    Scratch(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub name: &'static str,
    /// The WGSL type of an element.
    pub element: &'static str,
    pub bound: Bound,
    pub write: bool,
}

/// The WGSL type in which elements of a dtype are bound.
pub fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::I32 => "i32",
        DType::Bool => "u32",
    }
}

/// One dispatch. The header (bindings, the uniform `p`, `store`) is written from the calls of the builder;
/// `body` holds `main` and what else it needs.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Part of labels and of the profile.
    pub name: &'static str,
    pub(super) body: Cow<'static, str>,
    pub(super) bindings: Vec<Binding>,
    /// The binding that `store` writes.
    pub(super) result: Option<usize>,
    names: Vec<(Cow<'static, str>, &'static str)>,
    words: Vec<u32>,
    pub(super) grid: [u32; 3],
}

impl Kernel {
    /// A kernel whose `main` stands in `body`, for a grid of workgroups.
    pub fn new(name: &'static str, body: impl Into<Cow<'static, str>>, grid: [usize; 3]) -> Self {
        Kernel {
            name,
            body: body.into(),
            bindings: vec![],
            result: None,
            names: vec![],
            words: vec![],
            // What does not fit becomes a grid that is refused.
            grid: grid.map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
        }
    }

    /// A thread for each `i` in `0..n` that runs `statements`.
    pub fn elementwise(name: &'static str, n: usize, statements: &str) -> Self {
        let groups = n.div_ceil(THREADS);
        let body = format!(
            "@compute @workgroup_size({THREADS})\n\
             fn main(@builtin(global_invocation_id) id: vec3<u32>) {{\n\
             \x20 let i = id.x + id.y * {}u;\n  if (i >= p.n) {{ return; }}\n{statements}\n}}\n",
            GROUPS_X * THREADS
        );
        Kernel::new(name, body, [groups.min(GROUPS_X), groups.div_ceil(GROUPS_X), 1]).u32("n", n)
    }

    /// `name[i]`: memory of elements of a WGSL type, read only or to be written and read.
    pub fn bind(mut self, name: &'static str, element: &'static str, bound: Bound, write: bool) -> Self {
        self.bindings.push(Binding { name, element, bound, write });
        self
    }

    /// `name[i]`: the elements of input `i`, read only.
    pub fn input(self, name: &'static str, i: usize, x: &[GpuInput]) -> Self {
        let kind = element(x[i].meta.dtype);
        self.bind(name, kind, Bound::Input(i), false)
    }

    /// `name[i]`: output `i`, to be written (and read).
    pub fn output(self, name: &'static str, i: usize, out: &[Meta]) -> Self {
        let kind = element(out[i].dtype);
        self.bind(name, kind, Bound::Output(i), true)
    }

    /// Output `i` of float32, written by `store(index, value)` alone, exactly once an element: what is
    /// computed of each element next can then become part of this kernel.
    pub fn result(mut self, i: usize) -> Self {
        self.result = Some(self.bindings.len());
        self.bind("result", "f32", Bound::Output(i), true)
    }

    /// Scratch memory `i`, to be written by this kernel or read from an earlier one.
    pub fn scratch(self, name: &'static str, element: &'static str, i: usize, write: bool) -> Self {
        self.bind(name, element, Bound::Scratch(i), write)
    }

    /// `p.name`, a `u32`.
    pub fn u32(self, name: impl Into<Cow<'static, str>>, value: usize) -> Self {
        // Every size was checked to be a number of elements in memory.
        self.word(name, "u32", value as u32)
    }

    /// `p.name`, an `i32`.
    pub fn i32(self, name: impl Into<Cow<'static, str>>, value: i32) -> Self {
        self.word(name, "i32", value as u32)
    }

    /// `p.name`, an `f32`.
    pub fn f32(self, name: impl Into<Cow<'static, str>>, value: f32) -> Self {
        self.word(name, "f32", value.to_bits())
    }

    fn word(mut self, name: impl Into<Cow<'static, str>>, kind: &'static str, word: u32) -> Self {
        self.names.push((name.into(), kind));
        self.words.push(word);
        self
    }

    /// Adds functions and declarations that `main` uses.
    pub fn with(mut self, declarations: &str) -> Self {
        self.body.to_mut().push_str(declarations);
        self
    }

    /// The kernel that computes `pointwise` by itself, for `n` elements.
    pub(super) fn of_pointwise(name: &'static str, pointwise: &Pointwise, n: usize) -> Self {
        let read = pointwise.read.map_or("", |_| ", y[i]");
        let statements = format!("  store(i, stage(x[i]{read}, Numbers(p.a, p.b)));");
        let mut kernel = Kernel::elementwise(name, n, &statements)
            .f32("a", pointwise.numbers[0])
            .f32("b", pointwise.numbers[1])
            .with(&pointwise.function("stage"))
            .bind("x", "f32", Bound::Input(0), false);
        if pointwise.read.is_some() {
            kernel = kernel.bind("y", "f32", Bound::Input(1), false);
        }
        kernel.result(0)
    }

    /// The uniform's words with `stages` behind it.
    pub(super) fn uniform(&self, stages: &[Pointwise]) -> Vec<u32> {
        let mut words = self.words.clone();
        words.extend(stages.iter().flat_map(|stage| stage.numbers.map(f32::to_bits)));
        words
    }

    /// The whole source. `stages` follow the result; `kept[0]` says whether the result itself is written, and
    /// `kept[1 + i]` whether the value of stage `i` is. Bindings: the kernel's own but a result that is not
    /// kept, then what each stage reads and writes, then the uniform.
    pub(super) fn source(&self, stages: &[Pointwise], kept: &[bool]) -> String {
        let mut source = String::with_capacity(1024 + self.body.len());
        let mut binding = 0;
        let mut bind = |source: &mut String, access: &str, name: &str, element: &str| {
            source.push_str(&format!(
                "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{element}>;\n"
            ));
            binding += 1;
        };
        for (i, b) in self.bindings.iter().enumerate() {
            if self.result == Some(i) && !kept[0] {
                continue;
            }
            bind(&mut source, if b.write { "read_write" } else { "read" }, b.name, b.element);
        }
        for (i, stage) in stages.iter().enumerate() {
            if stage.read.is_some() {
                bind(&mut source, "read", &format!("read{i}"), "f32");
            }
            if kept[1 + i] {
                bind(&mut source, "read_write", &format!("stage{i}_out"), "f32");
            }
        }
        source.push_str("struct Params {");
        for (name, kind) in &self.names {
            source.push_str(&format!(" {name}: {kind},"));
        }
        for i in 0..stages.len() {
            source.push_str(&format!(" stage{i}_a: f32, stage{i}_b: f32,"));
        }
        if self.names.is_empty() && stages.is_empty() {
            source.push_str(" unused: u32,");
        }
        source.push_str(" }\n");
        source.push_str(&format!("@group(0) @binding({binding}) var<uniform> p: Params;\n"));
        if self.result.is_some() {
            source.push_str("fn store(i: u32, value: f32) {\n");
            if kept[0] {
                source.push_str("  result[i] = value;\n");
            }
            let mut value = "value".to_string();
            for (i, stage) in stages.iter().enumerate() {
                let read = stage.read.map_or(String::new(), |_| format!(", read{i}[i]"));
                source.push_str(&format!(
                    "  let v{i} = stage{i}({value}{read}, Numbers(p.stage{i}_a, p.stage{i}_b));\n"
                ));
                value = format!("v{i}");
                if kept[1 + i] {
                    source.push_str(&format!("  stage{i}_out[i] = v{i};\n"));
                }
            }
            source.push_str("}\n");
        }
        for (i, stage) in stages.iter().enumerate() {
            source.push_str(&stage.function(&format!("stage{i}")));
        }
        source.push_str(&self.body);
        prelude::add_functions(&mut source);
        source
    }
}

impl Pointwise {
    fn function(&self, name: &str) -> String {
        let read = self.read.map_or(String::new(), |read| format!("{read}: f32, "));
        format!("fn {name}({}: f32, {read}p: Numbers) -> f32 {{ return {}; }}\n", self.value, self.expression)
    }

    /// The same with input 1 in the place of input 0, if there is one.
    pub(super) fn swapped(&self) -> Option<Self> {
        self.read.map(|read| Pointwise { value: read, read: Some(self.value), ..*self })
    }
}

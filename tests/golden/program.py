"""What the golden tables are written in: a case is a few lines of PyTorch that run here and, translated, in Torchlet.

`case(name, program, x=rand(2, 3))` runs the program with `x` as a leaf, then `backward()` of its result with a fixed
gradient, and keeps the results, the gradients and the program's translation (`F.max_pool2d(x, 2, ceil_mode=True)` is
`F.maxPool2d(x, 2, { ceilMode: true })`). A call written `@relu(x)` is tried in every form that PyTorch has of it:
`torch.relu(x)`, `x.relu()` and `F.relu(x)`.

Inputs are mostly not stored but made from a seed by `fill`, which tests/golden/golden.ts repeats bit for bit.
"""

import ast
import base64
import json
import math
import re
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

OPERATORS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul",
    ast.Mod: "remainder", ast.FloorDiv: "floorDivide", ast.BitAnd: "logicalAnd", ast.BitOr: "logicalOr",
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.USub: "neg", ast.Invert: "logicalNot",
}  # fmt: skip


# ---- inputs ----


def fill(seed, count, lo=-2.0, hi=2.0):
    """`count` float32 values in [lo, hi): a 32-bit mix of the index and the seed, 24 bits of it."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint32(shift)
        x *= np.uint32(factor)
    x ^= x >> np.uint32(16)
    return (lo + (hi - lo) * ((x >> np.uint32(8)) / 2.0**24)).astype(np.float32)


class Input:
    """How to make an input: from a seed (given by the case's name) or from values."""

    def __init__(self, shape, dtype="float32", values=None, lo=-2.0, hi=2.0, avoid=(), grad=None):
        self.shape, self.dtype, self.values, self.lo, self.hi, self.avoid = list(shape), dtype, values, lo, hi, avoid
        self.grad = dtype == "float32" if grad is None else grad

    def make(self, key):
        spec = {"shape": self.shape} | ({} if self.dtype == "float32" else {"dtype": self.dtype})
        if self.values is None:
            data, spec["seed"] = self.off_kinks(zlib.crc32(key.encode()) & 0xFFFF)
            if (self.lo, self.hi) != (-2.0, 2.0):
                spec |= {"lo": self.lo, "hi": self.hi}
        else:
            data = np.array(self.values, dtype=np.float32)
            spec["values"] = [number(v) for v in data.ravel().tolist()]
        if self.dtype == "int32":
            data = np.floor(data).astype(np.int64)
        elif self.dtype == "bool":
            data = data >= 0.5
        tensor = torch.from_numpy(data.reshape(self.shape).copy())
        if self.grad:
            spec["grad"] = True
            tensor.requires_grad_()
        return tensor, spec

    def off_kinks(self, seed):
        while True:
            data = fill(seed, int(np.prod(self.shape)), self.lo, self.hi)
            if all(np.abs(data - kink).min(initial=1) > 1e-2 for kink in self.avoid):
                return data, seed
            seed += 1


def rand(*shape, lo=-2.0, hi=2.0, avoid=(), grad=None):
    return Input(shape, lo=lo, hi=hi, avoid=avoid, grad=grad)


def ints(*shape, lo=0, hi=10):
    return Input(shape, "int32", lo=lo, hi=hi)


def bools(*shape):
    return Input(shape, "bool", lo=0, hi=1)


def values(data, dtype="float32", grad=None):
    array = np.array(data, dtype=np.float64)
    return Input(array.shape, dtype, values=array.ravel().tolist(), grad=grad)


# ---- outputs ----


def number(v):
    """JSON has no NaN and no infinities: they travel as strings."""
    if not math.isfinite(v):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(v)]
    return int(v) if v == int(v) and not (v == 0 and str(v)[0] == "-") else v


def encode(t):
    """A result: shape, dtype and the bytes of its float32 values in base64, or the integers themselves."""
    t = t.detach()
    shape = list(t.shape)
    if t.dtype == torch.bool:
        return {"shape": shape, "dtype": "bool", "values": t.flatten().int().tolist()}
    if not t.dtype.is_floating_point:
        return {"shape": shape, "dtype": "int32", "values": t.flatten().tolist()}
    assert t.dtype == torch.float32, t.dtype
    data = t.contiguous().numpy().astype("<f4").tobytes()
    return {"shape": shape, "base64": base64.b64encode(data).decode()}


# ---- translation ----


def camel(name):
    return re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda m: m[1].upper(), name)


def js(node):
    """One expression or statement of PyTorch as TypeScript."""
    match node:
        case ast.Name():
            return {"inf": "Infinity", "nan": "NaN"}.get(node.id, camel(node.id))
        case ast.Constant():
            value = camel(node.value) if isinstance(node.value, str) else node.value
            return "undefined" if value is None else json.dumps(value)
        case ast.List() | ast.Tuple():
            return "[" + ", ".join(map(js, node.elts)) + "]"
        case ast.Dict():
            return "{ " + ", ".join(f"{js(k)}: {js(v)}" for k, v in zip(node.keys, node.values)) + " }"
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() | ast.Name(id="inf")):
            return "-" + js(node.operand)
        case ast.UnaryOp():
            return f"{js(node.operand)}.{OPERATORS[type(node.op)]}()"
        case ast.BinOp():
            return operator(node.left, OPERATORS[type(node.op)], node.right)
        case ast.Compare(ops=[op], comparators=[right]):
            return operator(node.left, OPERATORS[type(op)], right)
        case ast.Attribute():
            return f"{js(node.value)}.{camel(node.attr)}"
        case ast.Subscript():
            return subscript(node)
        case ast.Call():
            return call(node)
        case ast.Assign(targets=[target]):
            return f"{js(target)} = {js(node.value)};"
        case ast.Expr():
            return js(node.value) + ";"
        case ast.With(items=[item]):
            body = " ".join(map(js, node.body))
            return f"{js(item.context_expr).removesuffix('()')}(() => {{ {body} }});"
    raise NotImplementedError(ast.dump(node))


def operator(left, name, right):
    if isinstance(left, ast.Constant):
        return f"torch.{name}({js(left)}, {js(right)})"
    return f"{js(left)}.{name}({js(right)})"


def subscript(node):
    """x[1] -> x.at(1); x[:, 1:3] -> x.at(":", [1, 3]); x[::2] -> x.at([null, null, 2])."""
    indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return f"{js(node.value)}.at({', '.join(map(index, indices))})"


def index(node):
    if not isinstance(node, ast.Slice):
        return js(node)
    parts = [js(p) if p else "null" for p in (node.lower, node.upper, node.step)]
    while parts and parts[-1] == "null":
        parts.pop()
    return f"[{', '.join(parts)}]" if parts else '":"'


def call(node):
    args = [js(a) for a in node.args]
    if node.keywords:
        options = ", ".join(f"{camel(k.arg)}: {js(k.value)}" if camel(k.arg) != js(k.value) else camel(k.arg)
                            for k in node.keywords)  # fmt: skip
        args.append(f"{{ {options} }}")
    name = js(node.func)
    new = "new " if name.rsplit(".", 1)[-1][0].isupper() else ""
    return f"{new}{name}({', '.join(args)})"


def forms(program):
    """The program once for every form of its `@name(x, ...)` call."""
    found = re.search(r"@(\w+)\((\[.*?\]|[\w.]+)(?:, )?(.*)\)$", program, re.MULTILINE)
    if not found:
        return [program]
    name, first, rest = found.groups()
    every = []
    if hasattr(torch, name):
        every.append(f"torch.{name}({first}{rest and ', ' + rest})")
    if hasattr(torch.Tensor, name) and not first.startswith("["):
        every.append(f"{first}.{name}({rest})")
    if hasattr(F, name):
        every.append(f"F.{name}({first}{rest and ', ' + rest})")
    return [program.replace(found[0], form) for form in every]


# ---- cases ----

SCOPE = {"torch": torch, "F": F, "nn": nn, "inf": float("inf"), "nan": float("nan")}


class Table:
    """The cases of one golden file."""

    def __init__(self, path):
        self.path, self.cases = path, {}

    def case(self, name, program, *, rtol=1e-5, atol=1e-6, grad_rtol=1e-4, grad_atol=1e-5, backward=True, raises=(),
             **inputs):  # fmt: skip
        """Adds a case. The results are the names assigned last, or those of a last line that is a bare tuple.

        rtol and atol are for the results, grad_rtol and grad_atol for the gradients. `raises` holds the words that
        PyTorch's message has and ours must have.
        """
        assert name not in self.cases, name
        programs = forms(program)
        row = {"name": name, "programs": [], "inputs": {}}
        if (rtol, atol) != (1e-5, 1e-6):
            row |= {"rtol": rtol, "atol": atol}
        if (grad_rtol, grad_atol) != (1e-4, 1e-5):
            row |= {"gradRtol": grad_rtol, "gradAtol": grad_atol}
        for source in programs:
            tree = ast.parse(source)
            made = {key: spec.make(name + key) for key, spec in inputs.items()}
            row["inputs"] = {key: spec for key, (_, spec) in made.items()}
            row["programs"].append(self.translate(tree, raises))
            scope = SCOPE | {key: tensor for key, (tensor, _) in made.items()}
            row |= self.fail(source, scope, raises) if raises else self.run(name, tree, source, scope, made, backward)
        self.cases[name] = row

    def exact(self, name, program, **rest):
        """A case whose results have one right answer in float32: IEEE operations, comparisons and moves."""
        self.case(name, program, rtol=0, atol=0, **rest)

    def translate(self, tree, raises):
        lines = [js(s) for s in tree.body if not is_result(s)]
        assigned = dict.fromkeys(
            n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        )
        text = f"let {', '.join(map(camel, assigned))}; " if assigned else ""
        text += " ".join(lines)
        return text if raises else f"{text} return {{ {', '.join(map(camel, results(tree)))} }};"

    def run(self, name, tree, source, scope, made, backward):
        exec(source, scope)
        out = {key: scope[key] for key in results(tree)}
        row = {"outputs": {camel(k): encode(v) for k, v in out.items()}}
        root = next((k for k, v in out.items() if v.requires_grad), None) if backward else None
        if root:
            seed = zlib.crc32(("upstream " + name).encode()) & 0xFFFF
            out[root].backward(torch.from_numpy(fill(seed, out[root].numel(), -1, 1)).reshape(out[root].shape))
            row |= {"backward": camel(root), "seed": seed}
            row["grads"] = {camel(k): encode(t.grad) for k, (t, _) in made.items() if t.grad is not None}
        return row

    def fail(self, source, scope, raises):
        try:
            exec(source, scope)
        except (RuntimeError, IndexError, ValueError) as error:
            message = str(error)
        else:
            raise AssertionError(f"PyTorch accepts: {source}")
        for word in raises:
            assert word.lower() in message.lower(), (word, message)
        return {"raises": list(raises), "message": message.split("\n")[0]}

    def write(self, header):
        """One line a case, so that a diff shows what changed."""
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in self.cases.values())
        self.path.write_text(f'{{"by":{json.dumps(header)},"cases":[\n{rows}\n]}}\n')


def is_result(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Tuple)


def results(tree):
    last = tree.body[-1]
    if is_result(last):
        return [e.id for e in last.value.elts]
    assert isinstance(last, ast.Assign), ast.dump(last)
    target = last.targets[0]
    return [e.id for e in target.elts] if isinstance(target, ast.Tuple) else [target.id]

"""What PyTorch prints for tensors and modules.

The text is translated as the programs are: `requires_grad=True` is `requiresGrad=true` and `kernel_size` is
`kernelSize`; an option of 1.0 is 1, as JavaScript has it. PyTorch's int64 is int32 here, so that neither is named where
PyTorch does not name int64.
"""

import ast
import re

from program import SCOPE, bools, camel, ints, js, rand, values

INF, NAN = float("inf"), float("nan")
WORDS = {"True": "true", "False": "false", "None": "null", "torch.int64": "int32", "torch.bool": "bool"}


def translate(text):
    text = re.sub(r"=(\d+)\.0\b", r"=\1", text)
    return camel(re.sub(r"\b(True|False|None|torch\.int64|torch\.bool)\b", lambda m: WORDS[m[0]], text))


def shown(t, program, name=None, **inputs):
    """Adds a case: the text of a program's last expression."""
    *statements, last = ast.parse(program).body
    name = name or program
    assert name not in t.cases, name
    made = {key: spec.make(name + key) for key, spec in inputs.items()}
    scope = SCOPE | {key: tensor for key, (tensor, _) in made.items()}
    exec(ast.unparse(statements), scope)
    assigned = dict.fromkeys(
        n.id for s in statements for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    )
    declared = f"let {', '.join(map(camel, assigned))}; " if assigned else ""
    t.cases[name] = {
        "name": name,
        "program": f"{declared}{' '.join(map(js, statements))} return {js(last)[:-1]};".strip(),
        "inputs": {key: spec for key, (_, spec) in made.items()},
        "text": translate(str(eval(ast.unparse(last), scope))),
    }


def floats(*data):
    return values(data[0] if len(data) == 1 else list(data), grad=False)


FLOATS = {
    "a scalar": floats(2.5),
    "a whole scalar": floats(3),
    "a negative scalar": floats(-0.00001),
    "a large scalar": floats(123456792),
    "zero": floats(0),
    "minus zero": floats(-0.0),
    "whole numbers": floats(1, 2, 3),
    "whole numbers of other widths": floats(1, -20, 300),
    "fractions": floats(0.1, -0.25, 12.5),
    "a half that rounds to even": floats(0.03125, 0.09375, 2.00005),
    "one element": floats([0.5]),
    "very small": floats(1e-10, 1),
    "very large": floats(1e10, 1),
    "whole numbers up to 1e8": floats(1e8, 1e6),
    "whole numbers beyond 1e8": floats(2e8, 1e8),
    "just within a thousandfold": floats(1000.5, 1.25),
    "beyond a thousandfold": floats(1001.5, 1),
    "whole numbers beyond a thousandfold": floats(1, 2000),
    "small fractions": floats(0.00011, 0.0005),
    "fractions below 1e-4": floats(0.00009, 0.0005),
    "the smallest number": floats(1e-45),
    "the largest number": floats(3.4028234663852886e38),
    "NaN": floats(NAN),
    "infinities": floats(INF, -INF),
    "NaN and infinities beside whole numbers": floats(1, NAN, -INF, 20),
    "NaN and infinities beside fractions": floats(1.5, NAN, -INF, 20),
    "minus infinity beside one digit": floats(-INF, 1),
    "NaN beside scientific notation": floats(NAN, 1e-7, 1e7),
    "zeros do not count for the notation": floats(0, 0, 1e-6),
    "all zeros": floats(0, 0, 0),
    "zero beside small fractions": floats(0, 0.0005, 0.25),
}
SHAPES = {
    "a row": (7,),
    "a row longer than a line": (30,),
    "a matrix": (3, 4),
    "a column": (4, 1),
    "a matrix wider than a line": (2, 13),
    "3 dimensions": (2, 2, 3),
    "4 dimensions": (2, 2, 3, 2),
    "5 dimensions": (1, 2, 1, 2, 2),
    "1000 elements": (10, 100),
    "1001 elements in a row": (1001,),
    "1001 elements in a column": (1001, 1),
    "a summarised matrix": (40, 30),
    "a summarised matrix with few columns": (300, 4),
    "a summarised matrix with few rows": (4, 300),
    "a summarised matrix of 7 columns": (200, 7),
    "a summarised matrix of 6 columns": (200, 6),
    "a summarised batch of images": (8, 3, 20, 20),
    "a summarised 3-d tensor": (2, 30, 40),
}


def floating(t):
    for name, x in FLOATS.items():
        shown(t, "x", name, x=x)
    for name, shape in SHAPES.items():
        shown(t, "x", name, x=rand(*shape, grad=False))
    shown(t, "x.t()", "a transposed matrix", x=rand(3, 2, grad=False))
    shown(t, "x[:, 1:4:2]", "a slice", x=rand(3, 5, grad=False))
    shown(t, "x.expand(3, 4)", "an expanded column", x=rand(3, 1, grad=False))
    shown(t, "x * 1000000", "scientific notation longer than a line", x=rand(9, grad=False))
    shown(t, "torch.arange(2000)", "a summary that leaves out the wide numbers in between")
    shown(t, "torch.cat([torch.zeros(500), torch.full([1], 1e9), torch.zeros(800)])", "a summary that hides a large number")


def others(t):
    for name, x in {
        "an int scalar": values(7, "int32"),
        "ints": values([1, -20, 300], "int32"),
        "an int matrix": ints(3, 4, lo=-50, hi=1000),
        "ints longer than a line": ints(40, lo=0, hi=1000),
        "many ints": ints(50, 40, lo=-9, hi=100),
        "a bool": values(1, "bool"),
        "a row of bools": values([1, 0, 0], "bool"),
        "a matrix of bools": bools(2, 15),
        "many bools": bools(40, 40),
    }.items():
        shown(t, "x", name, x=x)
    for shape in ("0", "0, 3", "2, 0", "2, 0, 3"):
        shown(t, f"torch.zeros({shape})")
        shown(t, f"torch.zeros({shape}) > 0")
    shown(t, "torch.arange(0)")
    shown(t, "torch.arange(0).reshape(0, 2)")
    shown(t, "torch.zeros(0, requires_grad=True)")


def gradients(t):
    x = {"x": rand(3)}
    shown(t, "x", "a leaf that requires a gradient", **x)
    shown(t, "x * 2", "the result of a product", **x)
    shown(t, "(x * 2).detach()", "a detached result", **x)
    shown(t, "x.sum()", "a sum", **x)
    shown(t, "x.relu().mean()", "a mean", **x)
    shown(t, "x > 0", "a comparison", **x)
    shown(t, "x.sum().backward()\nx.grad", "a gradient", **x)
    shown(t, "x", "a suffix that fits into the line", x=rand(5))
    shown(t, "x", "a suffix on a line of its own", x=rand(7))
    shown(t, "x.exp()", "a gradFn on a line of its own", x=rand(7))
    shown(t, "x", "a suffix after a matrix", x=rand(2, 3))
    shown(t, "torch.zeros(0, 3, requires_grad=True)")
    shown(t, "nn.Parameter(x)", "a parameter", x=rand(2, 2, grad=False))
    shown(t, "nn.Parameter(x, requires_grad=False)", "a frozen parameter", x=rand(2, grad=False))


MODULES = (
    "nn.Linear(784, 10)", "nn.Linear(3, 2, bias=False)", "nn.Identity()", "nn.Flatten()", "nn.Flatten(0, 2)", "nn.Unflatten(1, (2, 3))",
    "nn.Conv2d(1, 6, 5)", "nn.Conv2d(3, 16, 3, padding=1)", "nn.Conv2d(3, 16, (3, 5), stride=2, padding=(1, 2))", "nn.Conv2d(4, 8, 3, stride=(2, 1), dilation=2, groups=4, bias=False)",
    "nn.Conv2d(3, 4, 3, padding='same')", "nn.Conv2d(3, 4, 3, padding='valid')", "nn.Conv2d(3, 4, 3, padding=1, padding_mode='reflect')",
    "nn.MaxPool2d(2)", "nn.MaxPool2d(2, 2)", "nn.MaxPool2d((3, 2), stride=(2, 1), padding=1, dilation=2, ceil_mode=True)", "nn.AvgPool2d(3)", "nn.AvgPool2d((2, 3), stride=1, padding=1)",
    "nn.Dropout()", "nn.Dropout(0.25)", "nn.Dropout2d(0.1, inplace=True)", "nn.ReLU()", "nn.ReLU(inplace=True)", "nn.ReLU6()", "nn.LeakyReLU()", "nn.LeakyReLU(0.2, inplace=True)",
    "nn.ELU()", "nn.ELU(alpha=0.5, inplace=True)", "nn.SiLU()", "nn.Mish()", "nn.Hardswish()", "nn.Hardsigmoid()", "nn.Sigmoid()", "nn.Tanh()", "nn.LogSigmoid()", "nn.Softsign()",
    "nn.GELU()", "nn.GELU(approximate='tanh')", "nn.Softplus()", "nn.Softplus(beta=2, threshold=10)", "nn.Softmax(dim=1)", "nn.LogSoftmax(dim=-1)",
    "nn.MSELoss()", "nn.L1Loss(reduction='sum')", "nn.SmoothL1Loss()", "nn.HuberLoss()", "nn.NLLLoss()", "nn.CrossEntropyLoss()", "nn.BCELoss()", "nn.BCEWithLogitsLoss()",
    "nn.Sequential()", "nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU(inplace=True), nn.Dropout(0.5))", "nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh()), nn.Sequential(), nn.Identity())",
    "nn.ModuleList()", "nn.ModuleList([nn.Linear(1, 2), nn.ReLU()])", "nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), nn.Linear(1, 2)])", "nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Sequential(nn.ReLU(), nn.Tanh()), nn.ReLU()])",
    "nn.ModuleDict()", "nn.ModuleDict({'a': nn.Linear(1, 2), 'b': nn.ReLU()})",
)  # fmt: skip


def modules(t):
    for program in MODULES:
        shown(t, program)


EVERYTHING = [floating, others, gradients, modules]

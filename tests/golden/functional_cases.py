"""Every operation against PyTorch: results and gradients, with its options, odd shapes, strided inputs, NaN and infinities."""

from program import bools, ints, rand, values

INF, NAN = float("inf"), float("nan")
SPECIAL = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.5, 3e38, -3e38, 1e-40]

# name: range of the input, kinks to keep off, and rtol where more than 1e-5 is fair
UNARY = {
    "neg": {}, "abs": {"avoid": [0]}, "sign": {"avoid": [0]}, "exp": {}, "expm1": {}, "log": {"lo": 0.1}, "log1p": {"lo": -0.9},
    "log2": {"lo": 0.1}, "log10": {"lo": 0.1}, "sqrt": {"lo": 0.1}, "rsqrt": {"lo": 0.1}, "square": {},
    "reciprocal": {"avoid": [0]}, "sin": {}, "cos": {}, "tan": {"lo": -1.4, "hi": 1.4}, "tanh": {}, "sigmoid": {},
    "relu": {"avoid": [0]}, "silu": {}, "softplus": {}, "gelu": {}, "erf": {}, "mish": {}, "hardswish": {"lo": -5, "hi": 5},
    "hardsigmoid": {"lo": -5, "hi": 5}, "relu6": {"lo": -3, "hi": 9, "avoid": [0, 6]}, "logsigmoid": {},
    "floor": {}, "ceil": {}, "round": {}, "trunc": {},
}  # fmt: skip
EXACT = {"neg", "abs", "sign", "sqrt", "square", "reciprocal", "relu", "relu6", "floor", "ceil", "round", "trunc"}


def elementwise(t):
    for name, options in UNARY.items():
        add = t.exact if name in EXACT else t.case
        add(name, f"y = @{name}(x)", x=rand(3, 5, **options))
        # behind another operation the upstream gradient depends on the result
        t.case(f"{name} before exp", f"v = @{name}(x)\ny = torch.exp(v * 0.5)", x=rand(7, **options))
        add(f"{name} of a strided tensor", f"v = x.t()[1:4]\ny = @{name}(v)", x=rand(3, 5, **options))
        add(f"{name} of a 0-d tensor", f"y = @{name}(x)", x=rand(**options))
        add(f"{name} of an empty tensor", f"y = @{name}(x)", x=rand(0, 3))
        if name not in ("tan", "sin", "cos"):
            # PyTorch's gelu makes NaN of infinity, by multiplying it with a vanishing factor: no example to follow
            special = [v for v in SPECIAL if name != "gelu" or abs(v) < INF or v != v]
            t.case(f"{name} of NaN, infinities and limits", f"y = @{name}(x)", x=values(special), backward=False)
    for name in ("sin", "cos"):
        t.case(f"{name} of NaN, infinities and large values", f"y = @{name}(x)", x=values([NAN, INF, -INF, 0, 50, -1000]), backward=False)
    t.case("exp over- and underflows", "y = @exp(x)", x=values([88, 89, -87, -104, 700]), backward=False)
    t.case("sigmoid, tanh and softplus of large values", "a = x.sigmoid()\nb = x.tanh()\nc = F.softplus(x)\n(a, b, c)",
           x=values([-200, -50, -21, 21, 50, 200]), backward=False)  # fmt: skip
    t.exact("round half to even", "y = @round(x)", x=values([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]), backward=False)
    t.exact("relu of NaN passes it on", "y = @relu(x)", x=values([NAN, -1, 2]), backward=False)
    t.exact("gradients at the kink", "y = torch.relu(x) + torch.abs(x) + F.relu6(x)", x=values([0, -0.0, 6]))
    for slope in (0.01, 0.2):
        t.exact(f"leaky_relu slope {slope}", f"y = @leaky_relu(x, negative_slope={slope})", x=rand(4, 3, avoid=[0]))
    t.case("elu", "y = @elu(x)", x=rand(4, 3, avoid=[0]))
    t.case("elu alpha 0.5", "y = @elu(x, alpha=0.5)", x=rand(4, 3, avoid=[0]))
    t.case("gelu with tanh", "y = F.gelu(x, approximate='tanh')", x=rand(4, 3))
    t.case("softplus beta and threshold", "y = F.softplus(x, beta=2, threshold=3)", x=rand(4, 3, avoid=[1.5]))
    t.exact("clamp both", "y = @clamp(x, min=-0.5, max=1)", x=rand(4, 5, avoid=[-0.5, 1]))
    t.exact("clamp min", "y = @clamp(x, min=0.25)", x=rand(9, avoid=[0.25]))
    t.exact("clamp max", "y = @clamp(x, max=0.25)", x=rand(9, avoid=[0.25]))
    t.exact("clamp at its limits", "y = @clamp(x, min=-1, max=1)", x=values([-1, 1, 0, NAN, INF, -INF, 2, -2]))
    t.exact("isnan, isinf, isfinite", "a = torch.isnan(x)\nb = torch.isinf(x)\nc = torch.isfinite(x)\n(a, b, c)", x=values(SPECIAL))


SHAPES = {
    "same shape": ((3, 4), (3, 4)), "row": ((3, 4), (4,)), "column": ((3, 4), (3, 1)), "outer": ((3, 1), (1, 4)),
    "left grows": ((4,), (2, 3, 4)), "both grow": ((2, 1, 4), (3, 1)), "0-d right": ((3, 4), ()), "0-d left": ((), (3, 4)),
    "both 0-d": ((), ()), "empty": ((0, 3), (3,)), "one by one": ((1, 1, 1), (2, 2)), "five dims": ((2, 1, 3, 1, 2), (4, 1, 2, 1)),
}  # fmt: skip


def binary(t):
    for name in ("add", "sub", "mul", "div"):
        for shape, (a, b) in SHAPES.items():
            avoid = [0] if name == "div" else []
            # gradients of broadcast operands are sums, in an order of our own
            t.exact(f"{name} {shape}", f"y = @{name}(a, b)", a=rand(*a), b=rand(*b, avoid=avoid))
    for name in ("maximum", "minimum"):
        for shape in ("same shape", "row", "outer", "0-d right"):
            a, b = SHAPES[shape]
            t.exact(f"{name} {shape}", f"y = @{name}(a, b)", a=rand(*a), b=rand(*b))
        t.exact(f"{name} of ties and NaN", f"y = @{name}(a, b)", a=values([1, NAN, 2, INF, -INF, 0]), b=values([1, 1, NAN, 3, 3, -0.0]), backward=False)
        t.exact(f"{name} shares the gradient of a tie", f"y = @{name}(a, b)", a=values([1, 2, 3]), b=values([1, 2.5, 2]))
    for shape in ("same shape", "column", "left grows"):
        a, b = SHAPES[shape]
        t.case(f"pow {shape}", "y = @pow(a, b)", a=rand(*a, lo=0.2), b=rand(*b))
        t.case(f"atan2 {shape}", "y = @atan2(a, b)", a=rand(*a, avoid=[0]), b=rand(*b, avoid=[0]))
        t.case(f"remainder {shape}", "y = @remainder(a, b)", a=rand(*a, lo=-9, hi=9), b=rand(*b, lo=0.6, hi=2.3), backward=False)
        t.exact(f"floor_divide {shape}", "y = @floor_divide(a, b)", a=rand(*a, lo=-9, hi=9), b=rand(*b, lo=0.6, hi=2.3), backward=False)
        for name in ("eq", "ne", "lt", "le", "gt", "ge"):
            t.exact(f"{name} {shape}", f"y = @{name}(a, b)", a=ints(*a, hi=3), b=ints(*b, hi=3))
    t.exact("comparisons with NaN", "p = a == b\nq = a != b\nr = a < b\ns = a >= b\n(p, q, r, s)", a=values([NAN, 1, NAN]), b=values([NAN, NAN, 1]))
    t.case("pow of special values", "y = @pow(a, b)", a=values([0, 0, -2, -2, 2, INF, NAN, -1]), b=values([0, 2, 2, 3, -1, 2, 0, 0.5]), backward=False)
    t.exact("remainder takes the divisor's sign", "y = @remainder(a, b)", a=values([5, -5, 5, -5, 5.5]), b=values([3, 3, -3, -3, -2]), backward=False)
    for name in ("logical_and", "logical_or", "logical_xor"):
        t.exact(name, f"y = @{name}(a, b)", a=bools(3, 4), b=bools(4))
    t.exact("logical_not", "y = @logical_not(a)", a=bools(3, 4))
    t.exact("logical operations of numbers", "p = torch.logical_and(a, b)\nq = torch.logical_not(a)\n(p, q)", a=values([0, 1, NAN, -2]), b=values([1, 0, 3, 0.5]))
    for exponent in (2, 3, 0.5, -1, -2.5, 0, 1):
        t.case(f"pow_scalar {exponent}", f"y = @pow(x, {exponent})", x=rand(3, 4, lo=0.3))
    t.case("pow_scalar of negative bases", "y = x ** 3", x=rand(3, 4))
    for name, program in {
        "add_scalar": "y = x + 1.5", "sub_scalar": "y = x - 0.3", "mul_scalar": "y = x * -3", "div_scalar": "y = x / 3",
        "rsub_scalar": "y = 2 - x", "rdiv_scalar": "y = 2 / x",
    }.items():  # fmt: skip
        t.exact(name, program, x=rand(3, 4, avoid=[0]))
    t.case("rpow_scalar", "y = 2 ** x", x=rand(3, 4))
    t.exact("comparisons with numbers", "a = x > 0.5\nb = x <= 0\nc = x == 1\nd = x != 1\ne = x < 0\nf = x >= 1\n(a, b, c, d, e, f)", x=values([0.5, 1, -1, NAN, 0]))
    t.exact("alpha of add and sub", "a = torch.add(x, y, alpha=2)\nb = x.sub(y, alpha=0.5)\nc = a + b\n(c,)", x=rand(3), y=rand(3))
    for name, program in {
        "int32 and float32": "y = i + x", "int32 times number": "y = i * 2", "int32 and a fraction": "y = i + 0.5", "bool and int32": "y = b + i", "bool and float32": "y = b * x",
        "division of int32": "y = i / j", "int32 arithmetic": "y = i * j - i", "floor division of int32": "y = i // j", "remainder of int32": "y = i % j",
        "comparison across dtypes": "y = i < x",
    }.items():  # fmt: skip
        given = {"x": rand(3, 4, grad=False), "i": ints(4, lo=-5, hi=9), "j": ints(3, 1, lo=1, hi=4), "b": bools(4)}
        t.exact(f"dtypes: {name}", program, **{k: v for k, v in given.items() if k in program[2:]})
    t.exact("where", "y = torch.where(c, a, b)", c=bools(3, 4), a=rand(3, 4), b=rand(4))
    t.exact("where broadcasts its condition", "y = torch.where(c, a, b)", c=bools(4), a=rand(3, 1), b=rand(2, 1, 1))
    t.exact("where keeps NaN out of the gradient", "y = torch.where(x > 0, torch.sqrt(x), x)", x=values([4, -1, 0.25]))
    t.exact("masked_fill", "y = @masked_fill(x, m, -7)", x=rand(2, 3, 4), m=bools(3, 1))
    t.exact("binary of strided operands", "y = a.t() * b[1:4] + a.t()", a=rand(4, 3), b=rand(5, 4))
    t.exact("binary of expanded operands", "y = a.expand(3, 4) * b", a=rand(3, 1), b=rand(3, 4))
    t.exact("an operand used twice", "y = x * x + x", x=rand(5))
    t.exact("cast", "a = x.int()\nb = i.float()\nc = i.bool()\nd = x.bool()\n(a, b, c, d)", x=values([-1.7, 0, 2.9]), i=ints(4, lo=-2, hi=2))


def reductions(t):
    x345 = {"x": rand(3, 4, 5)}
    for name in ("sum", "mean", "amax", "amin", "logsumexp"):
        add = t.exact if name in ("amax", "amin") else t.case
        if name != "logsumexp":
            add(f"{name} of everything", f"y = @{name}(x)", **x345)
        for dim in (0, 1, -1):
            add(f"{name} dim {dim}", f"y = @{name}(x, dim={dim})", **x345)
        add(f"{name} keepdim", f"y = @{name}(x, dim=1, keepdim=True)", **x345)
        add(f"{name} of two dims", f"y = @{name}(x, dim=[0, -1])", **x345)
        add(f"{name} of two dims keepdim", f"y = @{name}(x, dim=[-2, 0], keepdim=True)", **x345)
        add(f"{name} of a permuted tensor", f"v = x.permute(2, 0, 1)\ny = @{name}(v, dim=[0, 1])", **x345)
        add(f"{name} of a slice", f"v = x[:, 1:4:2]\ny = @{name}(v, dim=2)", **x345)
        add(f"{name} of NaN and infinities", f"y = @{name}(x, dim=1)", x=values([[1, NAN, 2], [INF, 1, 2], [INF, -INF, 0], [-INF, 1, 0]]), backward=False)
    for name in ("sum", "mean", "prod"):
        t.case(f"{name} of a 0-d tensor", f"y = @{name}(x)", x=rand())
        t.case(f"{name} of an empty tensor", f"y = @{name}(x)", x=rand(0, 3))
    t.exact("sum over an empty dim", "y = @sum(x, dim=0)", x=rand(0, 3))
    t.case("a long sum", "y = @sum(x)", x=rand(40000), atol=2e-3, backward=False)  # the terms' magnitudes add up to 40,000
    t.case("a long mean of one sign", "y = @mean(x)", x=rand(40000, lo=1), backward=False)
    t.exact("sum of int32 and bool", "a = i.sum()\nb = m.sum()\nc = m.sum(dim=0)\n(a, b, c)", i=ints(3, 4), m=bools(5, 2))
    t.case("prod", "y = @prod(x)", x=rand(7))
    t.case("prod dim", "y = @prod(x, dim=1, keepdim=True)", x=rand(3, 4))
    t.case("prod with a zero", "y = @prod(x)", x=values([2, 0, 3, -1]))
    t.case("prod with two zeros", "y = @prod(x)", x=values([2, 0, 3, 0]))
    for name in ("var", "std"):
        t.case(name, f"y = @{name}(x)", **x345)
        t.case(f"{name} of dims, biased", f"y = @{name}(x, dim=[0, 2], correction=0)", **x345)
        t.case(f"{name} keepdim", f"y = @{name}(x, dim=-1, keepdim=True)", **x345)
        t.case(f"{name} far from zero", f"y = @{name}(x)", x=rand(50, lo=1000, hi=1001), rtol=1e-4, grad_rtol=1e-3)
    t.exact("any and all", "a = m.any()\nb = m.all()\nc = m.any(dim=1)\nd = m.all(dim=0, keepdim=True)\n(a, b, c, d)", m=bools(3, 2))
    for p in (1, 2, 3, INF):
        text = "inf" if p == INF else p
        t.case(f"norm p {text}", f"y = torch.norm(x, p={text})", x=rand(3, 4, avoid=[0]))
        t.case(f"norm p {text} dim", f"y = x.norm(p={text}, dim=1)", x=rand(3, 4, avoid=[0]))
    t.exact("amax shares ties", "y = @amax(x, dim=1)", x=values([[1, 3, 3], [2, 2, 2]]))
    t.exact("max of everything shares ties", "y = @max(x)", x=values([[1, 3, 3], [2, 2, 2]]))
    t.exact("min of everything", "y = @min(x)", x=rand(3, 4))
    for name in ("max", "min"):
        for dim in (0, 1, -1):
            t.exact(f"{name} dim {dim}", f"v, i = @{name}(x, dim={dim})", **x345)
        t.exact(f"{name} dim keepdim", f"v, i = @{name}(x, dim=1, keepdim=True)", **x345)
        t.exact(f"{name} dim gives a tie to the first", f"v, i = @{name}(x, dim=1)", x=values([[1, 3, 3], [2, 2, 2], [0, -1, -1]]))
        t.exact(f"{name} dim with NaN", f"v, i = @{name}(x, dim=1)", x=values([[1, NAN, 3], [INF, NAN, NAN], [-INF, INF, 0]]), backward=False)
        t.exact(f"arg{name}", f"a = x.arg{name}()\nb = x.arg{name}(dim=0)\nc = x.arg{name}(dim=-1, keepdim=True)\n(a, b, c)", **x345)
        t.exact(f"arg{name} of ties and NaN", f"y = @arg{name}(x, dim=1)", x=values([[1, 3, 3], [NAN, 2, NAN]]))
        t.exact(f"{name} of int32", f"v, i = x.{name}(dim=0)", x=ints(4, 3))
    t.case("cumsum", "y = @cumsum(x, dim=1)", **x345)
    t.case("cumsum dim 0 of a transposed tensor", "v = x.transpose(0, 2)\ny = @cumsum(v, dim=0)", **x345)


def movement(t):
    x = {"x": rand(2, 3, 4)}
    for name, program in {
        "view": "y = x.view(6, 4)", "view -1": "y = x.view(-1, 2)", "view as a list": "y = x.view([4, 6])", "reshape": "y = @reshape(x, [3, -1])", "reshape method": "y = x.reshape(4, 6)",
        "reshape of a transposed tensor": "y = x.transpose(0, 2).reshape(6, 4)", "flatten": "y = x.flatten()", "flatten 1": "y = x.flatten(1)",
        "flatten start and end": "y = x.flatten(0, 1)", "permute": "y = x.permute(2, 0, 1)", "permute negative": "y = x.permute(-1, 0, -2)", "permute twice": "y = x.permute(2, 0, 1).permute(1, 0, 2)",
        "transpose": "y = @transpose(x, 0, 2)", "transpose negative": "y = x.transpose(-1, -2)", "unsqueeze": "y = @unsqueeze(x, 1)", "unsqueeze negative": "y = x.unsqueeze(-1)",
        "narrow": "y = x.narrow(2, 1, 2)", "select": "y = x.select(1, 2)", "select negative": "y = x.select(-1, -2)", "slice": "y = x[:, 1:3]", "slice step": "y = x[:, :, 0:4:2]", "slice step 3": "y = x[:, :, 1:9:3]",
        "slice negative": "y = x[:, -2:-1]", "slice out of range": "y = x[:, -9:99]", "empty slice": "y = x[:, 3:2]", "flip": "y = @flip(x, [0, 2])",
        "contiguous": "y = x.permute(2, 1, 0).contiguous()", "clone": "y = x.transpose(0, 1).clone()", "expand_as": "y = x[:, 0:1].expand_as(x)",
    }.items():  # fmt: skip
        t.exact(name, program, **x)
    t.exact("t", "y = @t(x)", x=rand(3, 4))
    t.exact("t of one dim", "y = x.t()", x=rand(3))
    t.exact("squeeze", "y = @squeeze(x)", x=rand(1, 3, 1))
    t.exact("squeeze dim", "y = x.squeeze(0)", x=rand(1, 3, 1))
    t.exact("squeeze of a dim that is not 1", "y = x.squeeze(1)", x=rand(1, 3, 1))
    t.exact("expand", "y = x.expand(2, 3, 4)", x=rand(3, 1))
    t.exact("expand keeps -1", "y = x.expand(2, -1, 4)", x=rand(3, 1))
    t.exact("expand of a 0-d tensor", "y = x.expand(2, 2)", x=rand())
    t.exact("view of an empty tensor", "y = x.view(4, 0)", x=rand(0, 4))
    t.exact("reshape to a 0-d tensor", "y = x.reshape([])", x=rand(1, 1))
    for dim in (0, 1, -1):
        t.exact(f"cat dim {dim}", f"y = torch.cat([a, b, c], dim={dim})", a=rand(2, 3, 4), b=rand(2, 3, 4), c=rand(2, 3, 4))
        t.exact(f"stack dim {dim}", f"y = torch.stack([a, b], dim={dim})", a=rand(2, 3), b=rand(2, 3))
        t.exact(f"index_select dim {dim}", f"y = @index_select(x, {dim}, i)", x=rand(3, 4, 3), i=values([2, 0, 0, 1, 2], "int32"))
    t.exact("cat of unequal and strided parts", "y = torch.cat([a.t(), b[:, 1:4]])", a=rand(3, 2), b=rand(2, 5))
    t.exact("cat with one tensor twice", "y = torch.cat([a, a], dim=1)", a=rand(2, 3))
    t.exact("cat with an empty part", "y = torch.cat([a, b])", a=rand(2, 3), b=rand(0, 3))
    t.exact("cat of int32 and float32", "y = torch.cat([a, b])", a=ints(3), b=rand(2, grad=False))
    t.exact("gather", "y = @gather(x, 1, i)", x=rand(3, 4), i=ints(3, 2, hi=4))
    t.exact("gather dim 0, rows used twice", "y = @gather(x, 0, i)", x=rand(3, 4), i=ints(5, 4, hi=3))
    t.exact("one_hot", "y = F.one_hot(i, 5)", i=ints(2, 3, hi=5))
    t.exact("one_hot finds the number of classes", "y = F.one_hot(i)", i=values([0, 2, 1], "int32"))
    t.exact("pad", "y = F.pad(x, [1, 2])", **x)
    t.exact("pad two dims with a value", "y = F.pad(x, [1, 0, 2, 3], value=1.5)", **x)
    t.exact("pad by negative widths", "y = F.pad(x, [-1, 2, 0, -1])", **x)
    t.exact("strides of views", "a = x.permute(2, 0, 1)[1]\nb = x[:, 1].unsqueeze(1).expand(2, 5, 4)\n(a, b)", **x)


def pieces(t):
    x = {"x": rand(4, 6)}
    t.exact("split", "a, b = @split(x, 4, dim=1)", backward=False, **x)
    t.exact("split into sizes", "a, b, c = @split(x, [1, 0, 3])", backward=False, **x)
    t.exact("chunk", "a, b, c = @chunk(x, 3, dim=1)", backward=False, **x)
    t.exact("chunk that does not divide", "a, b = @chunk(x, 3)", backward=False, **x)
    t.exact("unbind", "a, b, c, d = @unbind(x)", backward=False, **x)
    t.exact("pieces in a graph", "a, b = x.chunk(2, dim=1)\ny = a * b", **x)
    t.exact("unflatten", "y = x.unflatten(1, [2, -1])", **x)
    t.exact("repeat", "y = x.repeat(2, 3)", **x)
    t.exact("repeat into more dims", "y = x.repeat(2, 1, 2)", **x)
    t.exact("view_as, reshape_as", "y = x.view_as(z) + x.reshape_as(z)", z=rand(3, 8, grad=False), **x)
    for mode in ("reflect", "replicate", "circular"):
        t.case(f"pad {mode}", f"y = F.pad(x, [2, 1, 1, 2], mode='{mode}')", x=rand(1, 2, 4, 5))
    t.case("normalize", "y = F.normalize(x)", **x)
    t.case("normalize p 1 dim 0", "y = F.normalize(x, p=1, dim=0)", x=rand(4, 6, avoid=[0]))
    t.case("softsign", "y = F.softsign(x)", x=rand(9, avoid=[0]))
    t.exact("where with numbers", "a = torch.where(x > 0, x, 0.5)\nb = torch.where(x > 0, 1.5, x)\ny = a + b\n(y, a, b)", **x)


def created(t):
    t.exact("zeros, ones, full", "a = torch.zeros(2, 3)\nb = torch.ones([2])\nc = torch.full([2, 2], 1.5)\nd = torch.zeros(0)\n(a, b, c, d)")
    t.exact("like another", "a = torch.zeros_like(x)\nb = torch.ones_like(i)\nc = torch.full_like(x, 7)\n(a, b, c)", x=rand(2, 3, grad=False), i=ints(4))
    t.exact("arange", "a = torch.arange(5)\nb = torch.arange(2, 9, 3)\nc = torch.arange(5, 0, -2)\nd = torch.arange(0, 1, 0.1)\ne = torch.arange(0)\n(a, b, c, d, e)")
    t.exact("linspace", "a = torch.linspace(0, 1, 11)\nb = torch.linspace(-3, 7, 4)\nc = torch.linspace(2, 3, 1)\n(a, b, c)")
    t.exact("eye", "a = torch.eye(3)\nb = torch.eye(2, 4)\n(a, b)")
    t.exact("tensor", "a = torch.tensor([[1.5, 2], [3, 4]])\nb = torch.tensor(2.5)\nc = torch.tensor([True, False])\n(a, b, c)")


MATMUL = {
    "vector by vector": ((5,), (5,)), "matrix by vector": ((3, 5), (5,)), "vector by matrix": ((5,), (5, 3)), "batch by vector": ((2, 3, 5), (5,)), "vector by batch": ((5,), (2, 5, 3)),
    "batch by matrix": ((2, 3, 5), (5, 4)), "matrix by batch": ((3, 5), (2, 5, 4)), "batch by batch": ((2, 3, 5), (2, 5, 4)), "batches broadcast": ((2, 1, 3, 5), (4, 5, 2)),
    "empty inner": ((3, 0), (0, 4)), "empty outer": ((0, 3), (3, 2)), "empty batch": ((0, 2, 3), (3, 2)),
}  # fmt: skip
# rows, inner, columns: around the edges of SIMD tiles
TILES = [(1, 1, 1), (1, 3, 5), (3, 1, 7), (5, 7, 1), (7, 8, 9), (8, 8, 8), (9, 5, 8), (1, 65, 33), (33, 1, 17), (17, 33, 9), (16, 64, 32), (33, 17, 65), (65, 9, 3), (3, 300, 5)]


def linear_algebra(t):
    for name, (a, b) in MATMUL.items():
        t.case(f"matmul {name}", "y = @matmul(a, b)", a=rand(*a), b=rand(*b))
    for m, k, n in TILES:
        # a sum of k products of magnitude up to 4 is off by a few units of 2^-24 of its running size
        t.case(f"matmul {m}x{k}x{n}", "y = a @ b", a=rand(m, k), b=rand(k, n), atol=2e-6 * max(1, k**0.5))
        t.case(f"matmul {m}x{k}x{n}, both transposed", "y = a.t() @ b.t()", a=rand(k, m), b=rand(n, k), atol=2e-6 * max(1, k**0.5), backward=m * n < 300)
    t.case("matmul of slices", "y = a[1:4, 2:5] @ b[::2]", a=rand(5, 6), b=rand(6, 4))
    t.case("matmul of a row and a column", "y = a[0:1] @ b[:, 1:2]", a=rand(5, 6), b=rand(6, 4))
    t.case("matmul of NaN and infinity", "y = a @ b", a=values([[1, NAN, 0], [0, 1, 0], [INF, 1, 0]]), b=values([[1, 2], [3, 4], [INF, 6]]), backward=False)
    t.case("dot", "y = @dot(a, b)", a=rand(9), b=rand(9))
    t.case("mv", "y = @mv(a, b)", a=rand(4, 6), b=rand(6))
    t.exact("outer", "y = @outer(a, b)", a=rand(4), b=rand(6))
    t.case("mm", "y = @mm(a, b)", a=rand(4, 6), b=rand(6, 3))
    t.case("bmm", "y = @bmm(a, b)", a=rand(3, 4, 6), b=rand(3, 6, 2))
    for name, shape in {"a batch": (5, 7), "a vector": (7,), "two batch dims": (2, 3, 7), "an empty batch": (0, 7)}.items():
        t.case(f"linear of {name}", "y = F.linear(x, w, b)", x=rand(*shape), w=rand(4, 7), b=rand(4))
        t.case(f"linear of {name} without bias", "y = F.linear(x, w)", x=rand(*shape), w=rand(4, 7))
    t.case("linear of a strided input", "y = F.linear(x.t(), w.t(), b)", x=rand(7, 5), w=rand(7, 4), b=rand(4))
    t.case("linear 33x65x17", "y = F.linear(x, w, b)", x=rand(33, 65), w=rand(17, 65), b=rand(17), atol=1e-5)


def large(t):
    """Beyond one block of a blocked loop: pieces of the results and of the gradients."""
    product = "c = a @ b\n(c * u).sum().backward()\ny = c[::9, ::5]\ng = a.grad[::13, ::31]\nh = b.grad[::29, ::5]\n(y, g, h)"
    for m, k, n in [(130, 515, 70), (260, 33, 300), (5, 1100, 9), (1, 700, 300), (300, 700, 1)]:
        # the running sums of k products grow with the square root of k, and so do their rounding errors
        t.case(f"matmul {m}x{k}x{n}", product, a=rand(m, k), b=rand(k, n), u=rand(m, n, grad=False), backward=False, atol=3e-6 * max(m, k, n) ** 0.5)
    t.case("matmul of 3 batches of 40x50x60", "c = a @ b\n(c * u).sum().backward()\ny = c[1, ::9, ::7]\ng = a.grad[:, ::13, ::11]\nh = b.grad[::9, ::7]\n(y, g, h)",
           a=rand(3, 40, 50), b=rand(50, 60), u=rand(3, 40, 60, grad=False), backward=False, atol=4e-5)  # fmt: skip
    for dim in (0, 1, 2):
        for name in ("sum", "amax", "logsumexp"):
            t.case(f"{name} of 33x65x17 dim {dim}", f"s = x.{name}(dim={dim})\ny = s[::3, ::5]", x=rand(33, 65, 17), backward=False)
    t.exact("add of 5x67 and a row", "y = a + b", a=rand(5, 67), b=rand(67))
    t.exact("mul of 67x5 and a column", "y = a * b", a=rand(67, 5), b=rand(67, 1))
    t.exact("sub of transposed 33x35", "y = a - b.t()", a=rand(33, 35), b=rand(35, 33))
    t.exact("relu of 67", "y = x.relu()", x=rand(67))
    t.exact("permute of 9x17x33", "y = x.permute(2, 0, 1).contiguous()[::3, ::2, ::5]", x=rand(9, 17, 33), backward=False)
    t.exact("cat of 300 parts", "y = torch.cat([" + "a[0:1], b[1:2], " * 150 + "])[::7]", a=rand(1, 3), b=rand(2, 3))


def softmaxes(t):
    for name in ("softmax", "log_softmax"):
        for dim in (0, 1, -1):
            t.case(f"{name} dim {dim}", f"y = @{name}(x, dim={dim})", x=rand(3, 4, 5))
        t.case(f"{name} of a vector", f"y = @{name}(x, dim=0)", x=rand(9))
        t.case(f"{name} of a 0-d tensor", f"y = @{name}(x, dim=0)", x=rand())
        t.case(f"{name} of a transposed tensor", f"v = x.t()\ny = @{name}(v, dim=1)", x=rand(5, 3))
        t.case(f"{name} of large values", f"y = @{name}(x, dim=1)", x=values([[1000, 999, 0], [-1000, -1001, -1000.5], [88, 89, 90]]))
        t.case(f"{name} of NaN and infinities", f"y = @{name}(x, dim=1)", x=values([[1, NAN, 2], [INF, 1, 2], [-INF, 1, 2], [-INF, -INF, -INF]]), backward=False)
        t.case(f"{name} of many classes", f"y = @{name}(x, dim=1)", x=rand(2, 130))
        t.case(f"{name} of an empty tensor", f"y = @{name}(x, dim=1)", x=rand(0, 3))


EVERYTHING = [elementwise, binary, reductions, movement, pieces, created, linear_algebra, large, softmaxes]

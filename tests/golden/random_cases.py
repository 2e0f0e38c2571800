"""Streams of PyTorch's CPU generator: everything drawn, in the order in which it is drawn."""

from program import rand, values


def draws(t):
    for seed in (0, 1, 42, 2**32 - 1, 2**32 + 5, 2**53 - 1, -1):
        t.exact(f"rand, seed {seed}", f"torch.manual_seed({seed})\na = torch.rand(5)", backward=False)
    t.exact("rand beyond one block of the generator", "torch.manual_seed(3)\na = torch.rand(1300)")
    t.exact(
        "rand of several shapes",
        "torch.manual_seed(3)\na = torch.rand(2, 3)\nb = torch.rand([4])\nc = torch.rand(0, 2)\nd = torch.rand(1)\n(a, b, c, d)",
    )
    t.exact(
        "uniform_",
        "torch.manual_seed(7)\na = torch.zeros(40).uniform_(-0.3, 0.7)\nb = torch.zeros(3, 3).uniform_(5, 5.5)\n(a, b)",
    )
    for size in (1, 2, 5, 15, 16, 17, 31, 32, 40):
        # the logarithm and cosine of torch's vector code are off from the best float32 by up to 1e-6
        t.case(f"randn of {size}", f"torch.manual_seed(11)\na = torch.randn({size})", atol=2e-6)
    t.case(
        "randn keeps the spare of an odd count",
        "torch.manual_seed(5)\na = torch.randn(3)\nb = torch.rand(2)\nc = torch.randn(2)\nd = torch.randn(1)\n(a, b, c, d)",
        atol=2e-6,
    )
    t.case(
        "a large randn leaves the spare",
        "torch.manual_seed(5)\na = torch.randn(3)\nb = torch.randn(20)\nc = torch.randn(3)\n(a, b, c)",
        atol=2e-6,
    )
    t.case(
        "manual_seed forgets the spare",
        "torch.manual_seed(5)\na = torch.randn(3)\ntorch.manual_seed(5)\nb = torch.randn(3)\n(a, b)",
        atol=2e-6,
    )
    t.case("randn of a shape", "torch.manual_seed(6)\na = torch.randn(3, 7)\nb = torch.randn(2, 2)\n(a, b)", atol=2e-6)
    t.case(
        "normal_",
        "torch.manual_seed(6)\na = torch.zeros(20).normal_(2, 0.5)\nb = torch.zeros(5).normal_(-1, 3)\n(a, b)",
        atol=6e-6,
    )
    t.exact(
        "randint",
        "torch.manual_seed(8)\na = torch.randint(0, 10, [20])\nb = torch.randint(-5, 5, [2, 3])\nc = torch.randint(0, 1, [3])\n(a, b, c)",
    )
    t.exact(
        "randint at the edge to 64 bits",
        f"torch.manual_seed(8)\na = torch.randint(0, {2**28 - 1}, [6])\nb = torch.randint(0, {2**28}, [6])\nc = torch.randint(0, {2**31 - 1}, [6])\n(a, b, c)",
    )
    t.exact(
        "randperm",
        "torch.manual_seed(9)\na = torch.randperm(10)\nb = torch.randperm(1)\nc = torch.randperm(0)\nd = torch.randperm(2)\ne = torch.randperm(100)\n(a, b, c, d, e)",
    )
    t.exact(
        "bernoulli",
        "torch.manual_seed(10)\na = torch.bernoulli(p)\nb = torch.zeros(20).bernoulli_(0.3)\n(a, b)",
        p=values([0, 0.1, 0.5, 0.9, 1, 0.5, 0.5], grad=False),
    )
    t.case(
        "everything in turn",
        "torch.manual_seed(12)\na = torch.randint(0, 9, [3])\nb = torch.randn(1)\nc = torch.randperm(4)\nd = torch.randn(17)\ne = torch.rand(3)\nf = torch.randn(2)\n(a, b, c, d, e, f)",
        atol=2e-6,
    )
    t.case(
        "rand_like and randn_like",
        "torch.manual_seed(13)\na = torch.rand_like(x)\nb = torch.randn_like(x)\n(a, b)",
        x=rand(3, 6, grad=False),
        atol=2e-6,
    )
    t.case(
        "generators are independent",
        "torch.manual_seed(1)\ng = torch.Generator()\ng.manual_seed(2)\nh = torch.Generator().manual_seed(2)\na = torch.rand(2, generator=g)\nb = torch.rand(2)\nc = torch.randn(3, generator=g)\nd = torch.randperm(4, generator=h)\ne = torch.randint(0, 9, [3], generator=h)\nf = torch.randn(2, generator=g)\n(a, b, c, d, e, f)",
        atol=2e-6,
    )
    t.exact("a generator's default seed", "a = torch.rand(3, generator=torch.Generator())")


def dropouts(t):
    for p in (0.1, 0.3, 0.5, 0.9):
        t.exact(f"dropout {p}", f"torch.manual_seed(14)\ny = F.dropout(x, p={p})", x=rand(4, 9))
    t.exact("dropout takes p positionally", "torch.manual_seed(14)\ny = F.dropout(x, 0.3)", x=rand(4, 9))
    t.exact(
        "dropout of 40 and then again",
        "torch.manual_seed(15)\na = F.dropout(x)\nb = F.dropout(x)\ny = a + b\n(y, a, b)",
        x=rand(40),
    )
    t.exact(
        "dropout that drops nothing or everything draws nothing",
        "torch.manual_seed(16)\na = F.dropout(x, p=0)\nb = F.dropout(x, p=1)\nc = F.dropout(x, training=False)\nd = torch.rand(2)\n(d, a, b, c)",
        x=rand(4),
        backward=False,
    )
    t.exact("dropout2d", "torch.manual_seed(17)\ny = F.dropout2d(x, p=0.4)", x=rand(2, 5, 2, 3))
    t.exact("dropout of a strided input", "torch.manual_seed(18)\ny = F.dropout(x.t())", x=rand(5, 4))
    t.exact(
        "a Dropout module",
        "torch.manual_seed(19)\nm = nn.Dropout(0.25)\na = m(x)\nm.eval()\nb = m(x)\ny = a * b\n(y, a, b)",
        x=rand(30),
    )


LAYERS = {
    "Linear": "nn.Linear(7, 5)", "Linear without bias": "nn.Linear(3, 20, bias=False)", "Conv2d": "nn.Conv2d(3, 6, 5)", "Conv2d, 1x1": "nn.Conv2d(4, 3, 1)",
    "Conv2d with groups": "nn.Conv2d(4, 6, 3, groups=2)", "Conv2d, rectangular, without bias": "nn.Conv2d(2, 3, [1, 4], bias=False)",
}  # fmt: skip


def modules(t):
    for name, layer in LAYERS.items():
        bias = "bias" not in layer
        reads = (
            "w = m.weight\nb = m.bias\nr = torch.rand(2)\n(w, b, r)"
            if bias
            else "w = m.weight\nr = torch.rand(2)\n(w, r)"
        )
        t.exact(f"weights of {name}", f"torch.manual_seed(42)\nm = {layer}\n{reads}", backward=False)
    t.exact(
        "weights of two layers in order",
        "torch.manual_seed(42)\nm = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))\na = m[0].weight\nb = m[2].bias\n(a, b)",
        backward=False,
    )


INIT = {
    "uniform_": "w, -0.2, 0.3",
    "normal_": "w, 1, 0.5",
    "kaiming_uniform_": "w",
    "kaiming_uniform_ with options": "w, a=0.3, mode='fan_out', nonlinearity='leaky_relu'",
    "kaiming_normal_": "w, nonlinearity='relu'",
    "xavier_uniform_": "w",
    "xavier_uniform_ with gain": "w, gain=2",
    "xavier_normal_": "w",
    "constant_": "w, 0.25",
}


def initial(t):
    for name, args in INIT.items():
        function = name.split()[0]
        for kind, shape in {"matrix": (5, 7), "kernel": (4, 3, 3, 2)}.items():
            text = f"torch.manual_seed(20)\nnn.init.{function}({args})\ny = w * 1"
            t.case(f"init {name} of a {kind}", text, w=rand(*shape), backward=False, atol=3e-6)


EVERYTHING = [draws, dropouts, modules, initial]

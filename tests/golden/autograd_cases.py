"""Automatic differentiation: what accumulates, what is kept, and what PyTorch refuses."""

from program import bools, ints, rand


def graphs(t):
    x = {"x": rand(3)}
    t.case("a diamond", "a = x * 2\nb = a.exp()\nc = a.sin()\ny = b * c + a", **x)
    t.case("a tensor used many times", "y = x * x * x + x / (x * x + 1) - x", **x)
    t.case("an input that is not used", "y = a * 2", a=rand(3), b=rand(3))
    t.case("an input that does not require a gradient", "y = a * b", a=rand(3), b=rand(3, grad=False))
    t.case("broadcast and sum", "y = (a * b + c).sum(dim=0)", a=rand(2, 3), b=rand(3), c=rand())
    t.case(
        "a small net",
        "h = F.relu(F.linear(x, w, b))\ny = F.cross_entropy(h @ v, l)",
        x=rand(4, 3),
        w=rand(5, 3),
        b=rand(5),
        v=rand(5, 2),
        l=ints(4, hi=2),
    )
    t.case("through views", "v = x.view(2, 6).t()[1:4]\ny = (v * v).sum(dim=1)", x=rand(3, 4))
    t.case("through two branches of views", "a = x[0]\nb = x[:, 1]\ny = a * b", x=rand(3, 3))
    t.case(
        "through where, max and mean",
        "m = torch.where(x > 0, x, x * 0.1)\ny = torch.maximum(m, z).mean(dim=1)",
        x=rand(3, 4),
        z=rand(4),
    )
    t.case("detach cuts", "a = x * 2\ny = a.detach() * x", **x)
    t.case("detach shares storage", "d = x.detach()\nd.mul_(3)\ny = d.clone()\nz = x.detach().clone()\n(y, z)", **x)
    t.case("a chain of 200", "y = x\n" + "y = y * 1.01 + 0.01\n" * 200, **x)
    t.case(
        "int and bool results carry no gradient",
        "i = x.argmax()\nm = x > 0\ny = torch.where(m, x * x, x)\n(y, i, m)",
        **x,
    )
    t.case("float from a mask", "m = (x > 0).float()\ny = x * m", **x)
    t.case("division by a sum", "y = x / x.sum(dim=1, keepdim=True)", x=rand(3, 4, lo=0.5))
    t.case("standardise", "y = (x - x.mean(dim=0)) / x.std(dim=0)", x=rand(6, 2), grad_atol=3e-5)


def backwards(t):
    x = {"x": rand(3)}
    t.case(
        "gradients accumulate", "(x * 2).sum().backward()\n(x * x).sum().backward()\ng = x.grad", backward=False, **x
    )
    t.case("backward of a scalar", "y = (x * x).sum()\ny.backward()\ng = x.grad", backward=False, **x)
    t.case(
        "backward with a gradient", "y = x * x\ny.backward(u)\ng = x.grad", backward=False, u=rand(3, grad=False), **x
    )
    t.case(
        "backward with a non-contiguous gradient",
        "y = x * x\ny.backward(u.t())\ng = x.grad",
        backward=False,
        x=rand(2, 3),
        u=rand(3, 2, grad=False),
    )
    t.case(
        "retain_graph",
        "y = (x * x).sum()\ny.backward(retain_graph=True)\ny.backward()\ng = x.grad",
        backward=False,
        **x,
    )
    t.case(
        "retain_grad",
        "h = x * x\nh.retain_grad()\n(h * 3).sum().backward()\ng = h.grad\nk = x.grad\n(g, k)",
        backward=False,
        **x,
    )
    t.case(
        "the gradient of a leaf used in two graphs",
        "a = x * 2\nb = x * 3\na.sum().backward()\nb.sum().backward()\ng = x.grad",
        backward=False,
        **x,
    )
    t.case("no_grad records nothing", "with torch.no_grad():\n    a = x * 5\ny = x * a", **x)
    t.case(
        "requires_grad_ on a fresh tensor",
        "y = x * x\ny = y.detach().requires_grad_()\n(y * y).sum().backward()\ng = y.grad",
        backward=False,
        **x,
    )
    t.case(
        "freezing between backwards",
        "(x * w).sum().backward()\nw.requires_grad_(False)\n(x * w).sum().backward()\ng = x.grad\nh = w.grad\n(g, h)",
        backward=False,
        w=rand(3),
        **x,
    )
    t.case(
        "a backward through part of a graph",
        "a = x * 2\nb = a * a\na.sum().backward(retain_graph=True)\nb.sum().backward()\ng = x.grad",
        backward=False,
        **x,
    )
    t.case(
        "the gradient is a tensor of its own",
        "y = x + z\ny.sum().backward()\nx.grad.mul_(5)\ng = z.grad",
        backward=False,
        z=rand(3),
        **x,
    )
    t.case(
        "the gradient that was given stays as it is",
        "y = x * 1\ny.backward(u)\nx.grad.mul_(5)\nv = u * 1",
        backward=False,
        u=rand(3, grad=False),
        **x,
    )
    t.case("clone keeps the graph", "y = (x * 2).clone().mul(3)", **x)


def refusals(t):
    x = {"x": rand(3)}
    t.case(
        "backward twice",
        "y = (x * x).sum()\ny.backward()\ny.backward()",
        raises=["backward through the graph a second time", "retain"],
        **x,
    )
    t.case(
        "backward twice through a shared part",
        "h = x.exp()\nh.sum().backward()\n(h * 2).sum().backward()",
        raises=["backward through the graph a second time"],
        **x,
    )
    t.case(
        "backward of more than one element",
        "y = x * x\ny.backward()",
        raises=["grad can be implicitly created only for scalar outputs"],
        **x,
    )
    t.case(
        "backward without a graph",
        "y = (x * x).sum()\ny.backward()",
        raises=["does not require grad"],
        x=rand(3, grad=False),
    )
    t.case(
        "backward under no_grad's result",
        "with torch.no_grad():\n    y = x.sum()\ny.backward()",
        raises=["does not require grad"],
        **x,
    )
    t.case(
        "backward with a gradient of another shape",
        "y = x * x\ny.backward(u)",
        raises=["shape"],
        u=rand(2, grad=False),
        **x,
    )
    t.case("requires_grad_ of an int tensor", "i.requires_grad_()", raises=["only", "tensors"], i=ints(3))
    t.case("requires_grad_ of a bool tensor", "i.requires_grad_()", raises=["only", "tensors"], i=bools(3))
    t.case("turning off the gradient of a result", "y = x * 2\ny.requires_grad_(False)", raises=["leaf", "detach"], **x)
    t.case("retain_grad without a gradient", "x.retain_grad()", raises=["requires_grad=False"], x=rand(3, grad=False))


EVERYTHING = [graphs, backwards, refusals]

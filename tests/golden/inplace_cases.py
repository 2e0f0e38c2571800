"""In-place operations and views under autograd: right as in PyTorch, or refused with its words."""

from program import bools, rand

LEAF = ["a leaf Variable that requires grad", "in-place operation"]
VIEW_OF_LEAF = ["a view of a leaf Variable that requires grad", "in-place operation"]
VERSION = ["one of the variables needed for gradient computation has been modified by an inplace operation", "version"]


def right(t):
    x = {"x": rand(3, 4)}
    for name in ("add_(z)", "sub_(z)", "mul_(z)", "div_(z)"):
        t.case(f"{name} of a result", f"y = x * 2\ny.{name}\ny = y * y", z=rand(4, avoid=[0]), **x)
    for name in ("neg_()", "exp_()", "relu_()", "sigmoid_()", "tanh_()", "add_(2)", "mul_(3)", "sub_(1)", "div_(2)", "pow_(2)", "clamp_(min=-1, max=1)", "sqrt_()", "abs_()", "square_()"):
        given = {"x": rand(3, 4, lo=0.3)} if name == "sqrt_()" else {"x": rand(3, 4, avoid=[0, 0.5, -0.5])}
        t.case(f"{name} of a result", f"y = x * 2\ny.{name}\ny = y.sin()", **given)
    t.case("zero_ cuts the gradient", "y = x * 2\ny.zero_()\ny = y + x", **x)
    t.case("fill_ cuts the gradient", "y = x * 2\ny.fill_(3)\ny = y * x", **x)
    t.case("copy_ takes the source's gradient", "y = x * 2\ny.copy_(z)\ny = y * y", z=rand(4), **x)
    t.case("masked_fill_", "y = x * 2\ny.masked_fill_(m, 7)\ny = y * y", m=bools(3, 4), **x)
    t.case("add_ with alpha", "y = x * 2\ny.add_(z, alpha=0.5)\ny = y * y", z=rand(3, 4), **x)
    t.case("several in a row", "y = x + 1\ny.mul_(2)\ny.add_(z)\ny.relu_()\ny = y.clone().sub_(1)", z=rand(3, 4, avoid=[0]), **x)
    t.case("relu_ after conv2d", "y = F.conv2d(x, w, b, padding=1)\ny.relu_()\ny = y.sum(dim=1)", x=rand(2, 2, 5, 5), w=rand(3, 2, 3, 3), b=rand(3), atol=1e-5, grad_atol=1e-4)
    t.case("relu inplace between linears", "h = F.linear(x, w)\nh = F.relu(h, inplace=True)\ny = F.linear(h, v)", w=rand(5, 4), v=rand(2, 5), **x)
    t.case("a leaf under no_grad", "with torch.no_grad():\n    x.mul_(2)\ny = x * x", **x)
    t.case("a leaf without gradient", "z.mul_(2)\ny = x * z", z=rand(3, 4, grad=False), **x)
    t.case("a leaf without gradient takes in a gradient", "z.add_(x)\ny = z * z", z=rand(3, 4, grad=False), **x)
    t.case("an in-place operation whose saved value is its own result", "y = x * 2\ny = y.tanh_()", **x)
    t.case("an operation that does not save what is changed", "y = x * 2\nz = y + 1\ny.mul_(5)\nz = z * 3", **x)


def views(t):
    x = {"x": rand(3, 4)}
    t.case("add_ into a view", "a = x * 2\na[1].add_(z)\ny = a * a", z=rand(4), **x)
    t.case("mul_ of a view", "a = x * 2\na[:, 1:3].mul_(z)\ny = a.sin()", z=rand(3, 1), **x)
    t.case("mul_ of a transposed view", "a = x * 2\na.t().mul_(z)\ny = a.sin()", z=rand(4, 3), **x)
    t.case("copy_ into a slice of a base with history", "a = x * 2\na[:, 0:2].copy_(z)\ny = a * a", z=rand(3, 2), **x)
    t.case("copy_ into a slice of a base without history", "a = torch.zeros(3, 4)\na[1].copy_(z)\na[:, 2].copy_(w)\ny = a * a", z=rand(4), w=rand(3))
    t.case("fill_ of a slice", "a = x * 2\na[0:2, 1:3].fill_(5)\ny = a * a", **x)
    t.case("zero_ of a strided slice", "a = x * 2\na[:, 0:4:2].zero_()\ny = a * a", **x)
    t.case("relu_ of a view reaches the base", "a = x * 2\na.view(-1).relu_()\ny = a * x", x=rand(3, 4, avoid=[0]))
    t.case("a view of a view", "a = x * 2\nb = a[1:3]\nc = b[:, 1:3]\nc.mul_(z)\ny = a * a", z=rand(2, 2), **x)
    t.case("a view of a view, all three read", "a = x * 2\nb = a.t()[1:3]\nc = b[0]\nc.exp_()\ny = a.sum() + b.sum() * 2 + c.sum() * 3", **x)
    t.case("a view is read after its base was changed", "a = x * 2\nv = a[1]\na.mul_(z)\ny = v * v", z=rand(3, 4), **x)
    t.case("a view of a view is read after the base was changed", "a = x * 2\nv = a.t()[1:3, 0:2]\na.mul_(3)\na.add_(z)\ny = v.exp()", z=rand(4), **x)
    t.case("a view is read after another view was changed", "a = x * 2\nv = a[1]\nw = a[:, 1]\nw.mul_(5)\ny = v * v", **x)
    t.case("two views changed in turn", "a = x * 2\nv = a[1]\nw = a[:, 1]\nv.mul_(z)\nw.mul_(3)\nv.add_(1)\ny = a * a", z=rand(4), **x)
    t.case("a changed view feeds its base", "a = x * 2\nv = a[0]\nv.add_(a[1])\ny = a.sin()", **x)
    t.case("a view changed by itself", "a = x * 2\nv = a[0]\nv.add_(v)\ny = a.sin()", **x)
    t.case("detach sees the change and passes no gradient", "a = x * 2\nd = a.detach()\na.add_(1)\ny = d * x", **x)
    t.case("a change through detach reaches the tensor", "a = x * 2\nd = a.detach()\nd.fill_(3)\ny = a * x", **x)
    t.case("the base of expand", "a = x * 2\ne = a[:, 0:1].expand(3, 4)\na.mul_(3)\ny = e * 1.5", **x)
    t.case("select, unsqueeze, squeeze and permute are views", "a = x * 2\na.unsqueeze(0).permute(2, 0, 1)[1].squeeze().mul_(z)\ny = a.sin()", z=rand(3), **x)
    t.case("flatten of a contiguous tensor is a view", "a = x * 2\na.flatten()[2:5].mul_(3)\ny = a.sin()", **x)
    t.case("a slice of a leaf under no_grad", "with torch.no_grad():\n    x[0].fill_(2)\ny = x * x", **x)
    t.case("a view made under no_grad and changed there", "a = x * 2\nwith torch.no_grad():\n    a[0].zero_()\ny = a + x", **x)
    t.case("a batch filled row by row", "a = torch.zeros(3, 4)\na[0].copy_(u)\na[1].copy_(v)\na[2].copy_(u * v)\ny = a.exp()", u=rand(4), v=rand(4))


def refusals(t):
    x = {"x": rand(3, 4)}
    for program in ("x.add_(1)", "x.mul_(x)", "x.relu_()", "x.zero_()", "x.copy_(x * 2)"):
        t.case(f"a leaf in place: {program}", program, raises=LEAF, **x)
    for view in ("x[0]", "x[:, 1:2]", "x.view(-1)", "x.t()"):
        t.case(f"a view of a leaf in place: {view}", f"v = {view}\nv.add_(1)", raises=VIEW_OF_LEAF, **x)
    t.case("a saved input was changed", "y = x * 1\nz = y * y\ny.add_(1)\nz.sum().backward()", raises=VERSION, **x)
    t.case("a saved result was changed", "y = x.exp()\ny.mul_(2)\ny.sum().backward()", raises=VERSION, **x)
    t.case("a saved factor was changed", "z = x * w\nw.add_(1)\nz.sum().backward()", raises=VERSION, w=rand(3, 4, grad=False), **x)
    t.case("a saved tensor was changed through a view", "y = x * 1\nz = y.sin()\ny[0].zero_()\nz.sum().backward()", raises=VERSION, **x)
    t.case("a saved view's base was changed", "y = x * 1\nz = y[1].exp().sin()\nw = y[0].square()\ny.mul_(2)\nw.sum().backward()", raises=VERSION, **x)
    t.case("a saved tensor was changed through detach", "y = x * 1\nz = y * y\ny.detach().zero_()\nz.sum().backward()", raises=VERSION, **x)
    t.case("a saved tensor was changed under no_grad", "y = x * 1\nz = y * y\nwith torch.no_grad():\n    y.zero_()\nz.sum().backward()", raises=VERSION, **x)
    t.case("a saved leaf was changed under no_grad", "z = x * x\nwith torch.no_grad():\n    x.zero_()\nz.sum().backward()", raises=VERSION, **x)
    t.case("a saved result was changed in place", "y = x.exp().tanh_()\ny.sum().backward()", raises=VERSION, **x)
    t.case("a factor that is a view of the changed base", "a = x * 2\nv = a[0]\nv.mul_(a[1])\na.sum().backward()", raises=VERSION, **x)
    t.case("relu_ twice over a saved result", "y = torch.sigmoid(x)\ny.relu_()\ny.sum().backward()", raises=VERSION, **x)
    t.case("the weight of conv2d was changed", "y = F.conv2d(x, w)\nwith torch.no_grad():\n    w.zero_()\ny.sum().backward()", raises=VERSION, x=rand(1, 1, 4, 4), w=rand(1, 1, 2, 2))
    t.case("in place on an expanded tensor", "e = z.expand(3, 4)\ne.add_(1)", raises=["more than one element", "single memory location", "clone"], z=rand(1, 4, grad=False))
    t.case("in place on an expanded 0-d tensor", "e = z.expand(4)\ne.mul_(2)", raises=["single memory location"], z=rand(grad=False))
    t.case("in place with a result of another shape", "y = x * 2\ny.add_(z)", raises=["shape"], z=rand(2, 3, 4), **x)
    t.case("view of a transposed tensor", "y = x.t().view(12)", raises=["view size is not compatible", "reshape"], **x)


EVERYTHING = [right, views, refusals]

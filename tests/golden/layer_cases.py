"""Convolution, pooling, dropout's edges and the losses against PyTorch."""

import torch.nn.functional as F

from program import ints, rand, values

INF, NAN = float("inf"), float("nan")

# input, weight, bias, options: everything that chooses another path through a convolution
CONV = {
    "3x3": ((2, 3, 8, 8), (4, 3, 3, 3), True, ""),
    "3x3 without bias": ((2, 3, 8, 8), (4, 3, 3, 3), False, ""),
    "padding 1": ((2, 3, 7, 7), (4, 3, 3, 3), True, "padding=1"),
    "stride 2": ((2, 3, 9, 9), (4, 3, 3, 3), True, "stride=2"),
    "stride 2, padding 1, even size": ((1, 2, 8, 8), (3, 2, 3, 3), True, "stride=2, padding=1"),
    "stride 3 over a kernel of 2": ((2, 2, 9, 10), (3, 2, 2, 2), True, "stride=3"),
    "dilation 2": ((2, 3, 9, 9), (4, 3, 3, 3), True, "dilation=2"),
    "everything": ((2, 4, 11, 9), (6, 2, 3, 2), True, "stride=[2, 1], padding=[1, 2], dilation=[1, 2], groups=2"),
    "1x1": ((2, 5, 4, 4), (3, 5, 1, 1), True, ""),
    "1x1 stride 2": ((2, 5, 5, 5), (3, 5, 1, 1), False, "stride=2"),
    "1x1 padding 1": ((1, 2, 3, 3), (3, 2, 1, 1), True, "padding=1"),
    "5x5": ((2, 1, 12, 12), (6, 1, 5, 5), True, ""),
    "kernel 1x5": ((2, 3, 6, 9), (4, 3, 1, 5), True, "padding=[0, 2]"),
    "kernel 4x2": ((1, 3, 7, 6), (2, 3, 4, 2), True, ""),
    "kernel as large as the input": ((3, 2, 4, 5), (6, 2, 4, 5), True, ""),
    "padding larger than the input": ((1, 1, 2, 2), (2, 1, 3, 3), True, "padding=4"),
    "groups 2": ((2, 4, 6, 6), (6, 2, 3, 3), True, "groups=2, padding=1"),
    "depthwise": ((2, 4, 6, 6), (4, 1, 3, 3), True, "groups=4, padding=1"),
    "depthwise, multiplier 2, stride 2": ((1, 3, 7, 7), (6, 1, 3, 3), False, "groups=3, stride=2"),
    "no batch dim": ((3, 6, 6), (4, 3, 3, 3), True, "padding=1"),
    "empty batch": ((0, 3, 6, 6), (4, 3, 3, 3), True, "padding=1"),
    "many channels": ((1, 33, 5, 5), (17, 33, 3, 3), True, "padding=1"),
    "wide": ((1, 2, 3, 37), (3, 2, 3, 3), True, "padding=1"),
    "batch 3, 9 channels": ((3, 9, 5, 6), (8, 9, 3, 3), True, "padding=1"),
    "padding 'same'": ((1, 2, 6, 7), (3, 2, 3, 5), True, "padding='same', dilation=[1, 2]"),
    "padding 'same', even kernel": ((1, 2, 6, 7), (3, 2, 4, 2), True, "padding='same'"),
    "padding 'valid'": ((1, 2, 6, 7), (3, 2, 3, 3), True, "padding='valid'"),
}


def convolutions(t):
    for name, (x, w, bias, options) in CONV.items():
        inputs = {"x": rand(*x), "w": rand(*w)} | ({"b": rand(w[0])} if bias else {})
        args = "x, w, b" if bias else "x, w"
        # sums of up to 300 products of magnitude up to 4
        t.case(f"conv2d {name}", f"y = F.conv2d({args}{options and ', ' + options})", atol=1e-5, **inputs)
    t.case("conv2d of a channels-last input", "y = F.conv2d(x.permute(0, 3, 1, 2), w, b, padding=1)", x=rand(2, 6, 6, 3), w=rand(4, 3, 3, 3), b=rand(4), atol=1e-5)
    t.case("conv2d of a cropped input and a flipped weight", "y = F.conv2d(x[:, :, 1:6, 2:7], w.transpose(2, 3), b)", x=rand(2, 3, 8, 8), w=rand(4, 3, 3, 2), b=rand(4), atol=1e-5)
    t.case("conv2d of an expanded input", "y = F.conv2d(x.expand(3, 2, 5, 5), w)", x=rand(1, 1, 5, 5), w=rand(3, 2, 3, 3), atol=1e-5)
    t.case("conv2d without a gradient of the input", "y = F.conv2d(x, w, b)", x=rand(2, 1, 6, 6, grad=False), w=rand(4, 1, 3, 3), b=rand(4), atol=1e-5)
    t.case("conv2d with a frozen weight", "y = F.conv2d(x, w, b)", x=rand(2, 1, 6, 6), w=rand(4, 1, 3, 3, grad=False), b=rand(4), atol=1e-5)
    t.case("conv2d spreads NaN and infinity as far as its kernel", "y = F.conv2d(x, w, padding=1)", x=values([[[[0, 1, 2, 3], [NAN, 1, 0, 1], [1, 2, 3, INF], [0, 1, 0, 1]]]]), w=rand(1, 1, 3, 3), backward=False)


# Beyond one block of a blocked loop. The last number is atol: a gradient sums up to 3,600 products, whose running
# sum is of size 100, in an order of our own.
LARGE_CONV = {
    "20 to 40 channels, 30x30": ((4, 20, 30, 30), (40, 20, 3, 3), "padding=1", 2e-4),
    "64 to 64 channels, 16x16": ((2, 64, 16, 16), (64, 64, 3, 3), "padding=1", 1e-4),
    "1x1, 70 channels": ((2, 70, 9, 9), (33, 70, 1, 1), "", 2e-5),
    "5x5, stride 2, groups": ((3, 12, 29, 31), (24, 6, 5, 5), "stride=2, padding=2, groups=2", 6e-5),
    "depthwise, 64 channels": ((2, 64, 14, 14), (64, 1, 3, 3), "padding=1, groups=64", 4e-5),
    "7x7 over one channel": ((2, 1, 50, 47), (10, 1, 7, 7), "stride=3, padding=3", 4e-5),
}


def large_convolutions(t):
    for name, (x, w, options, atol) in LARGE_CONV.items():
        n, h, k = (rand(*shape).make("")[0] for shape in (x, w, (w[0],)))
        u = list(F.conv2d(n, h, k, **eval(f"dict({options})")).shape)
        program = (
            f"c = F.conv2d(x, w, b{options and ', ' + options})\n(c * u).sum().backward()\n"
            "y = c[:, ::5, ::3, ::4]\ng = x.grad[:, ::7, ::5, ::3]\nh = w.grad[::7, ::3]\nk = b.grad\n(y, g, h, k)"
        )
        t.case(f"conv2d {name}", program, x=rand(*x), w=rand(*w), b=rand(w[0]), u=rand(*u, grad=False), backward=False, atol=atol)
    t.case("conv2d keeps the NaN of one filter to itself", "y = F.conv2d(x, w)", x=rand(1, 1, 4, 4), w=values([[[[NAN, 1], [1, 1]]], [[[1, 2], [3, 4]]]]), backward=False)


MAX_POOL = {
    "2": ((2, 3, 8, 8), "2"), "2, stride 2": ((2, 3, 7, 7), "2, 2"), "3, stride 2": ((2, 2, 9, 9), "3, stride=2"), "3, stride 1": ((1, 2, 6, 6), "3, stride=1"),
    "3, padding 1": ((2, 2, 7, 7), "3, padding=1"), "3, stride 2, padding 1": ((2, 2, 8, 8), "3, stride=2, padding=1"), "dilation 2": ((1, 2, 9, 9), "3, stride=1, dilation=2"),
    "ceil_mode": ((2, 2, 7, 8), "2, ceil_mode=True"), "3, stride 2, ceil_mode": ((1, 2, 8, 6), "3, stride=2, ceil_mode=True"), "ceil_mode and padding": ((1, 2, 6, 5), "3, stride=2, padding=1, ceil_mode=True"),
    "kernel 3x2": ((2, 2, 7, 8), "[3, 2], stride=[2, 3], padding=[1, 0]"), "stride larger than the kernel": ((1, 2, 9, 9), "2, stride=3"), "no batch dim": ((3, 6, 6), "2"),
    "the whole image": ((2, 3, 4, 5), "[4, 5]"), "1x1": ((1, 2, 3, 3), "1"), "empty batch": ((0, 2, 4, 4), "2"), "everything": ((2, 2, 11, 10), "[3, 2], stride=[2, 1], padding=[1, 1], dilation=[2, 3], ceil_mode=True"),
}  # fmt: skip
AVG_POOL = {
    "2": ((2, 3, 8, 8), "2"), "2, stride 2": ((2, 3, 7, 7), "2, 2"), "3, stride 1": ((1, 2, 6, 6), "3, stride=1"), "3, stride 2, padding 1": ((2, 2, 8, 8), "3, stride=2, padding=1"),
    "padding not counted": ((2, 2, 8, 8), "3, stride=2, padding=1, count_include_pad=False"), "divisor": ((1, 2, 6, 6), "2, divisor_override=3"), "ceil_mode": ((2, 2, 7, 8), "2, ceil_mode=True"),
    "ceil_mode and padding": ((1, 2, 6, 5), "3, stride=2, padding=1, ceil_mode=True"), "ceil_mode and padding not counted": ((1, 2, 6, 5), "3, stride=2, padding=1, ceil_mode=True, count_include_pad=False"),
    "kernel 3x2": ((2, 2, 7, 8), "[3, 2], stride=[2, 3], padding=[1, 0]"), "no batch dim": ((3, 6, 6), "2"), "empty batch": ((0, 2, 4, 4), "2"),
}  # fmt: skip


def pools(t):
    for name, (x, args) in MAX_POOL.items():
        t.exact(f"max_pool2d {name}", f"y = F.max_pool2d(x, {args})", x=rand(*x))
    t.exact("max_pool2d gives a tie to the first", "y = F.max_pool2d(x, 2)", x=values([[[1, 1, 2, 0], [1, 1, 0, 2], [-1, -1, 0, 0], [-1, -2, 0, 0]]]))
    t.exact("max_pool2d of ties in overlapping windows", "y = F.max_pool2d(x, 3, stride=1, padding=1)", x=values([[[0, 0, 0], [0, 5, 0], [0, 0, 0]]]))
    t.exact("max_pool2d of NaN and infinities", "y = F.max_pool2d(x, 2)", x=values([[[1, NAN, INF, 0], [2, 0, -INF, 1], [-INF, -INF, NAN, NAN], [-INF, -INF, INF, 1]]]))
    t.exact("max_pool2d of a channels-last input", "y = F.max_pool2d(x.permute(0, 3, 1, 2), 2)", x=rand(2, 6, 6, 3))
    t.exact("max_pool2d of a crop", "y = F.max_pool2d(x[:, :, 1:6, 1:7], 3, stride=2)", x=rand(2, 2, 8, 8))
    t.exact("max_pool2d with indices", "y, i = F.max_pool2d(x, 3, stride=2, padding=1, return_indices=True)", x=rand(2, 2, 7, 6))
    t.exact("max_pool2d with indices, dilated", "y, i = F.max_pool2d(x, 2, stride=1, dilation=2, return_indices=True)", x=rand(1, 2, 5, 6))
    for name, (x, args) in AVG_POOL.items():
        t.case(f"avg_pool2d {name}", f"y = F.avg_pool2d(x, {args})", x=rand(*x))
    t.case("avg_pool2d of NaN and infinities", "y = F.avg_pool2d(x, 2)", x=values([[[1, NAN, INF, 0], [2, 0, -INF, 1], [INF, 2, 0, 0], [1, 1, 0, 0]]]), backward=False)
    t.case("avg_pool2d of a transposed image", "y = F.avg_pool2d(x.transpose(2, 3), 2)", x=rand(2, 2, 6, 4))


def losses(t):
    logits = {"x": rand(5, 4), "y": ints(5, hi=4)}
    for reduction in ("mean", "sum", "none"):
        option = f"reduction='{reduction}'"
        t.case(f"cross_entropy {reduction}", f"l = F.cross_entropy(x, y, {option})", **logits)
        t.case(f"cross_entropy {reduction} with weight", f"l = F.cross_entropy(x, y, weight=w, {option})", w=rand(4, lo=0.2, grad=False), **logits)
        t.case(f"cross_entropy {reduction} with label_smoothing", f"l = F.cross_entropy(x, y, label_smoothing=0.1, {option})", **logits)
        t.case(f"cross_entropy {reduction} with ignore_index", f"l = F.cross_entropy(x, y, ignore_index=2, {option})", x=rand(5, 4), y=values([0, 2, 3, 2, 1], "int32"))
        t.case(f"cross_entropy {reduction} with -100", f"l = F.cross_entropy(x, y, {option})", x=rand(5, 4), y=values([0, -100, 3, -100, 1], "int32"))
        t.case(f"cross_entropy {reduction} with everything", f"l = F.cross_entropy(x, y, weight=w, ignore_index=2, label_smoothing=0.3, {option})", x=rand(5, 4), y=values([0, 2, 3, 2, 1], "int32"), w=rand(4, lo=0.2, grad=False))
        t.case(f"cross_entropy {reduction} of probabilities", f"l = F.cross_entropy(x, p, {option})", x=rand(5, 4), p=rand(5, 4, lo=0))
        t.case(f"cross_entropy {reduction} of probabilities with everything", f"l = F.cross_entropy(x, p, weight=w, label_smoothing=0.2, {option})", x=rand(5, 4), p=rand(5, 4, lo=0, grad=False), w=rand(4, lo=0.2, grad=False))
        t.case(f"cross_entropy {reduction} of a map", f"l = F.cross_entropy(x, y, {option})", x=rand(2, 3, 5), y=ints(2, 5, hi=3))
        t.case(f"cross_entropy {reduction} of an image with everything", f"l = F.cross_entropy(x, y, weight=w, ignore_index=1, label_smoothing=0.1, {option})", x=rand(2, 3, 4, 5), y=ints(2, 4, 5, hi=3), w=rand(3, lo=0.2, grad=False))
        t.case(f"cross_entropy {reduction} of probability maps", f"l = F.cross_entropy(x, p, label_smoothing=0.1, {option})", x=rand(2, 3, 5), p=rand(2, 3, 5, lo=0, grad=False))
        t.case(f"cross_entropy {reduction} of one sample", f"l = F.cross_entropy(x, y, {option})", x=rand(4), y=values(2, "int32"))
        t.case(f"cross_entropy {reduction} of one sample's probabilities", f"l = F.cross_entropy(x, p, {option})", x=rand(4), p=rand(4, lo=0, grad=False))
        t.case(f"nll_loss {reduction}", f"l = F.nll_loss(x.log_softmax(dim=1), y, {option})", **logits)
        t.case(f"nll_loss {reduction} with everything", f"l = F.nll_loss(x, y, weight=w, ignore_index=0, {option})", w=rand(4, lo=0.2, grad=False), **logits)
        t.case(f"nll_loss {reduction} of a map", f"l = F.nll_loss(x, y, {option})", x=rand(2, 3, 5), y=ints(2, 5, hi=3))
        for name, (a, b) in {"same shape": ((3, 4), (3, 4)), "broadcast": ((3, 4), (3, 1))}.items():
            t.case(f"mse_loss {reduction} {name}", f"l = F.mse_loss(a, b, {option})", a=rand(*a), b=rand(*b))
            t.case(f"l1_loss {reduction} {name}", f"l = F.l1_loss(a, b, {option})", a=rand(*a), b=rand(*b))
            t.case(f"smooth_l1_loss {reduction} {name}", f"l = F.smooth_l1_loss(a, b, beta=0.5, {option})", a=rand(*a), b=rand(*b))
            t.case(f"huber_loss {reduction} {name}", f"l = F.huber_loss(a, b, delta=0.7, {option})", a=rand(*a), b=rand(*b))
        t.case(f"binary_cross_entropy {reduction} with weight", f"l = F.binary_cross_entropy(x, p, weight=w, {option})", x=rand(3, 4, lo=0.05, hi=0.95), p=rand(3, 4, lo=0, hi=1, grad=False), w=rand(4, lo=0.2, grad=False))
        t.case(f"binary_cross_entropy_with_logits {reduction} with weights", f"l = F.binary_cross_entropy_with_logits(x, p, weight=w, pos_weight=q, {option})", x=rand(3, 4), p=rand(3, 4, lo=0, hi=1, grad=False), w=rand(4, lo=0.2, grad=False), q=rand(4, lo=0.2, grad=False))
        t.case(f"binary_cross_entropy {reduction}", f"l = F.binary_cross_entropy(x, p, {option})", x=rand(3, 4, lo=0.05, hi=0.95), p=rand(3, 4, lo=0, hi=1, grad=False))
        t.case(f"binary_cross_entropy_with_logits {reduction}", f"l = F.binary_cross_entropy_with_logits(x, p, {option})", x=rand(3, 4), p=rand(3, 4, lo=0, hi=1, grad=False))
    t.case("smooth_l1_loss with beta 0", "l = F.smooth_l1_loss(a, b, beta=0)", a=rand(3, 4), b=rand(3, 4))
    t.case("cross_entropy of a lone ignored label", "l = F.cross_entropy(x, y)", x=rand(2, 3), y=values([-100, -100], "int32"))
    t.case("cross_entropy of large logits", "l = F.cross_entropy(x, y, reduction='none')", x=values([[1000, 0, -1000], [-1000, -999, 0], [80, 89, 90]]), y=values([0, 1, 2], "int32"))
    t.case("cross_entropy of NaN and infinities", "l = F.cross_entropy(x, y, reduction='none')", x=values([[1, NAN, 0], [INF, 0, 0], [-INF, 0, 0], [-INF, 0, 0]]), y=values([0, 0, 0, 1], "int32"), backward=False)
    t.case("cross_entropy of transposed logits", "l = F.cross_entropy(x.t(), y)", x=rand(4, 6), y=ints(6, hi=4))
    t.case("cross_entropy of many classes", "l = F.cross_entropy(x, y)", x=rand(3, 130), y=ints(3, hi=130))
    t.case("binary_cross_entropy clamps its logarithms", "l = F.binary_cross_entropy(x, p, reduction='none')", x=values([0, 1, 0.5]), p=values([1, 0, 1], grad=False), backward=False)


def dropouts(t):
    t.exact("dropout that drops nothing", "a = F.dropout(x, p=0)\nb = F.dropout(x, p=0.5, training=False)\nc = F.dropout(x, p=1)\nd = a + b + c\n(d, a, b, c)", x=rand(3, 4))


EVERYTHING = [convolutions, large_convolutions, pools, losses, dropouts]

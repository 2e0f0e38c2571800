"""What PyTorch makes of optimizers, whole models, loaders and splits: plain dictionaries for JSON."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import (
    BatchSampler, DataLoader, RandomSampler, SequentialSampler, SubsetRandomSampler, random_split,
)  # fmt: skip

from mnist_reference import SimpleCNN
from program import camel, encode, fill

# ---- optimizers ----

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1, "maximize": True, "dampening": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": [0.8, 0.9], "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "maximize": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.05, "amsgrad": True, "maximize": True}),
]
# options of the groups [w, b] and [v]
GROUPS = [
    ("SGD", {"lr": 0.1}, [{}, {"lr": 0.01, "momentum": 0.9}]),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, [{"momentum": 0, "weight_decay": 0.1}, {}]),
    ("Adam", {"lr": 0.05}, [{"weight_decay": 0.1}, {"lr": 0.01, "betas": [0.5, 0.6], "amsgrad": True}]),
]
SHAPES = {"w": [4, 3], "b": [4], "v": [2, 4], "sometimes": [5], "unused": [2]}


def optimizers():
    """A small net stepped 10 times; `sometimes` has a gradient in even steps only, `unused` never."""
    rows = [steps(name, options, None) for name, options in OPTIMIZERS]
    return rows + [steps(*group) for group in GROUPS]


def steps(name, options, groups):
    p = {key: torch.from_numpy(fill(i, torch.Size(s).numel())).reshape(s).requires_grad_()
         for i, (key, s) in enumerate(SHAPES.items())}  # fmt: skip
    x = torch.from_numpy(fill(100, 15)).reshape(5, 3)
    target = torch.from_numpy(fill(101, 10)).reshape(5, 2)
    if groups:
        given = [{"params": [p["w"], p["b"]], **groups[0]}, {"params": [p["v"]], **groups[1]}]
    else:
        given = list(p.values())
    optimizer = getattr(optim, name)(given, **options)
    after = {}
    for step in range(10):
        optimizer.zero_grad()
        loss = F.mse_loss(torch.tanh(F.linear(x, p["w"], p["b"])) @ p["v"].t(), target)
        if step % 2 == 0:
            loss = loss + (p["sometimes"] * p["sometimes"]).sum()
        loss.backward()
        optimizer.step()
        if step in (0, 9):
            after[f"after{step + 1}"] = {key: encode(t) for key, t in p.items()}
    row = {"optimizer": name, "options": camel_keys(options)}
    if groups:
        row["groups"] = [camel_keys(group) for group in groups]
    return row | after


def camel_keys(options):
    return {camel(key): value for key, value in options.items()}


# ---- whole models ----


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def models():
    return [
        train("SimpleCNN", SimpleCNN, [8, 1, 28, 28], "SGD", {"lr": 0.01, "momentum": 0.9}),
        train("SimpleCNN", SimpleCNN, [8, 1, 28, 28], "Adam", {"lr": 0.001}),
        train("LeNet", LeNet, [4, 3, 32, 32], "SGD", {"lr": 0.01, "momentum": 0.9}),
        train("LeNet", LeNet, [4, 3, 32, 32], "Adam", {"lr": 0.001}),
    ]


def train(name, make, shape, optimizer_name, options):
    """Weights of seed 42, logits, all gradients of the first step, and the losses of ten."""
    torch.manual_seed(42)
    model = make()
    x = torch.from_numpy(fill(1, torch.Size(shape).numel(), 0, 1)).reshape(shape)
    y = torch.from_numpy(fill(2, shape[0], 0, 10)).long()
    row = {"model": name, "input": shape, "optimizer": optimizer_name, "options": options}
    row["weights"] = {key: summary(p) for key, p in model.named_parameters()}
    row["logits"] = encode(model(x))
    optimizer = getattr(optim, optimizer_name)(model.parameters(), **options)
    row["losses"] = []
    for step in range(10):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if step == 0:
            row["gradients"] = {key: summary(p.grad) for key, p in model.named_parameters()}
        optimizer.step()
        row["losses"].append(loss.item())
    row["trained"] = {key: summary(p) for key, p in model.named_parameters()}
    return row


def summary(t):
    """Sums in float64, and 16 values spread over the whole tensor."""
    flat = t.detach().flatten()
    stride = max(1, len(flat) // 16)
    return {
        "shape": list(t.shape),
        "sum": flat.double().sum().item(),
        "norm": flat.double().norm().item(),
        "stride": stride,
        "values": flat[::stride].tolist(),
    }


# ---- loaders and splits ----


def loaders():
    """Orders of shuffled loaders, and a number drawn afterwards: what a loader takes from the generator."""
    rows = []
    for seed, n, batch, drop_last, shuffle in [
        (0, 10, 4, False, True), (42, 10, 4, True, True), (42, 100, 32, False, True), (7, 23, 5, False, False), (123, 1, 1, False, True),
    ]:  # fmt: skip
        torch.manual_seed(seed)
        loader = DataLoader(list(range(n)), batch_size=batch, shuffle=shuffle, drop_last=drop_last)
        epochs = [[b.tolist() for b in loader] for _ in range(3)]
        rows.append({"seed": seed, "n": n, "batchSize": batch, "dropLast": drop_last, "shuffle": shuffle,
                     "length": len(loader), "epochs": epochs, "next": torch.rand(2).tolist()})  # fmt: skip
    return rows


def loader_generators():
    """The same with a generator of the loader's own, which leaves the default one alone."""
    torch.manual_seed(1)
    loader = DataLoader(list(range(12)), batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(99))
    epochs = [[b.tolist() for b in loader] for _ in range(2)]
    return {"seed": 1, "generatorSeed": 99, "n": 12, "batchSize": 5, "epochs": epochs, "next": torch.rand(2).tolist()}


def splits():
    rows = []
    for seed, n, lengths in [(0, 10, [7, 3]), (42, 20, [10, 5, 5]), (5, 10, [0.7, 0.3]), (5, 11, [0.5, 0.25, 0.25])]:
        torch.manual_seed(seed)
        parts = random_split(list(range(n)), lengths)
        rows.append({"seed": seed, "n": n, "lengths": lengths, "parts": [list(p) for p in parts]})
    return rows


def samplers():
    """Two epochs of each sampler, and a number drawn afterwards: what the sampler takes from the generator."""
    listed = [3, 1, 4, 15, 9, 2, 6]
    rows = []
    for name, arguments, own in [
        ("RandomSampler", {"n": 7}, None),
        ("RandomSampler", {"n": 7}, 5),
        ("RandomSampler", {"n": 7, "num_samples": 4}, None),
        ("RandomSampler", {"n": 7, "num_samples": 17}, None),
        ("RandomSampler", {"n": 7, "num_samples": 14}, 5),
        ("RandomSampler", {"n": 7, "replacement": True}, None),
        ("RandomSampler", {"n": 5, "replacement": True, "num_samples": 70}, None),
        ("RandomSampler", {"n": 5, "replacement": True, "num_samples": 64}, 5),
        ("SubsetRandomSampler", {"indices": listed}, None),
        ("SubsetRandomSampler", {"indices": listed}, 5),
    ]:
        options = dict(arguments)
        first = range(options.pop("n")) if "n" in options else options.pop("indices")
        if own is not None:
            options["generator"] = torch.Generator().manual_seed(own)
        torch.manual_seed(8)
        sampler = globals()[name](first, **options)
        epochs = [[int(i) for i in sampler] for _ in range(2)]
        row = {"sampler": name, "arguments": camel_keys(arguments), "length": len(sampler), "epochs": epochs,
               "next": torch.rand(2).tolist()}  # fmt: skip
        if own is not None:
            # A generator of its own is asked too: it must be where PyTorch's is.
            row |= {"generatorSeed": own, "generatorNext": torch.rand(2, generator=options["generator"]).tolist()}
        rows.append(row)
    return rows


def sampler_loaders():
    """Batches of loaders whose order a sampler gives."""
    rows = []
    for kind in ["sampler", "batchSampler"]:
        torch.manual_seed(21)
        if kind == "sampler":
            sampler = SubsetRandomSampler([2, 3, 5, 7, 11])
            loader = DataLoader(list(range(12)), batch_size=2, sampler=sampler, drop_last=True)
        else:
            batches = BatchSampler(SequentialSampler(range(8)), 3, False)
            loader = DataLoader(list(range(12)), batch_sampler=batches)
        epochs = [[b.tolist() for b in loader] for _ in range(2)]
        rows.append({"kind": kind, "length": len(loader), "epochs": epochs, "next": torch.rand(2).tolist()})
    return rows

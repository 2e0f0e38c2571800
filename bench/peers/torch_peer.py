"""The benchmark's workloads in PyTorch: reads a workload a line as JSON, answers its times in ms as JSON."""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
torch.set_num_threads(parser.parse_args().threads)
NETS = json.loads((pathlib.Path(__file__).parent.parent / "workloads.json").read_text())["nets"]


def layer(spec):
    kind, *args = spec
    if kind == "conv":
        c_in, c_out, kernel, padding = args
        return nn.Conv2d(c_in, c_out, kernel, padding=padding)
    simple = {"relu": nn.ReLU, "pool": lambda: nn.MaxPool2d(2), "flatten": nn.Flatten}
    return {"linear": nn.Linear, "dropout": nn.Dropout, **simple}[kind](*args)


def train(w):
    net = NETS[w["net"]]
    model = nn.Sequential(*map(layer, net["layers"]))
    if w["optimizer"] == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=w["lr"])
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=w["lr"], momentum=0.9)
    inputs = torch.randn(w["batch"], *net["input"])
    labels = torch.randint(0, 10, (w["batch"],))

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def matmul(w):
    a, b = torch.randn(w["size"], w["size"]), torch.randn(w["size"], w["size"])
    return lambda: a @ b


def conv(w):
    c, size = w["channels"], w["size"]
    x, dy = torch.randn(w["batch"], c, size, size), torch.randn(w["batch"], c, size, size)
    weight = torch.rand(c, c, 3, 3)
    if w["pass"] == "forward":
        return lambda: F.conv2d(x, weight, padding=1)
    if w["pass"] == "input":
        return lambda: torch.nn.grad.conv2d_input(x.shape, weight, dy, padding=1)
    return lambda: torch.nn.grad.conv2d_weight(x, weight.shape, dy, padding=1)


def measure(run, budget):
    def once(times):
        start = time.perf_counter()
        for _ in range(times):
            run()
        return (time.perf_counter() - start) * 1000 / times

    single = once(1)
    if single < budget["time"] / 4:
        single = once(3)
    chunk = max(1, round(50 / single))
    results, end = [], time.perf_counter() + budget["time"] / 1000
    while len(results) < budget["samples"] and (not results or time.perf_counter() < end):
        results.append(once(chunk))
    return {"median": statistics.median(results), "minimum": min(results)}


for line in sys.stdin:
    workload = json.loads(line)
    run = {"train": train, "matmul": matmul, "conv": conv}[workload["kind"]](workload)
    with torch.set_grad_enabled(workload["kind"] == "train"):
        print(json.dumps(measure(run, workload["budget"])), flush=True)

"""Writes what PyTorch answers, for the tests to compare with. Run by hand, never by the tests:

    pip install torch torchvision numpy safetensors && python tests/golden/make_golden.py

The files say which version of torch wrote them. What the tables look like is said in program.py.
"""

import json
from pathlib import Path

import torch
import torchvision

import autograd_cases
import files
import functional_cases
import inplace_cases
import layer_cases
import print_cases
import random_cases
import training
import vision
from program import Table

HERE = Path(__file__).parent


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tables = {
        "functional.json": functional_cases,
        "layers.json": layer_cases,
        "autograd.json": autograd_cases,
        "inplace.json": inplace_cases,
        "random.json": random_cases,
        "print.json": print_cases,
    }
    for path, source in tables.items():
        table = Table(HERE / path)
        for add in source.EVERYTHING:
            add(table)
        table.write(f"PyTorch {torch.__version__}")
        print(f"{path}: {len(table.cases)} cases, {table.path.stat().st_size // 1024} KB")
    for path, rows in {
        "optim.json": training.optimizers(),
        "model.json": training.models(),
        "data.json": {
            "loaders": training.loaders(),
            "generator": training.loader_generators(),
            "splits": training.splits(),
            "samplers": training.samplers(),
            "samplerLoaders": training.sampler_loaders(),
        },
        "vision.json": {"transforms": vision.everything(), "bytes": vision.all_bytes()},
    }.items():
        by = f"PyTorch {torch.__version__}"
        if path == "vision.json":
            by = f"torchvision {torchvision.__version__}"
        text = json.dumps({"by": by, "rows": rows}, separators=(",", ":"))
        (HERE / path).write_text(text.replace('},{"', '},\n{"') + "\n")
        print(f"{path}: {len(text) // 1024} KB")
    files.write(HERE)


main()

"""Writes small files with Python's own libraries, for the tests to read and to write byte for byte."""

import torch
from safetensors.torch import save_file

from program import fill


def floats(seed, *shape):
    return torch.from_numpy(fill(seed, torch.Size(shape).numel())).reshape(shape)


def write(folder):
    integers = torch.tensor([[-(2**31), -1, 0], [1, 2, 2**31 - 1]])
    special = torch.tensor([0.0, -0.0, 1.5, -2.25, 65504, 6e-8, 2**-14, float("inf"), float("-inf"), float("nan")])
    # The dtypes that Torchlet has.
    save_file(
        {
            "conv1.weight": floats(1, 2, 1, 3, 3),
            "conv1.bias": floats(2, 2),
            "scalar": torch.tensor(2.5),
            "empty": torch.zeros(0, 3),
            "labels": integers.int(),
            "mask": torch.tensor([True, False, True]),
            "a view": floats(3, 4, 3).t().contiguous(),
            "\u00fc\u00f1\u00ee \"quoted\"\n": special[:7],
        },
        folder / "python.safetensors",
        metadata={"format": "pt"},
    )
    # Those that it converts.
    save_file(
        {
            "F64": floats(4, 5).double(),
            "F16": special.half(),
            "BF16": special.bfloat16(),
            "I64": integers,
            "I16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
            "I8": torch.tensor([-128, 127], dtype=torch.int8),
            "U8": torch.tensor([0, 255], dtype=torch.uint8),
            "U16": torch.tensor([0, 2**16 - 1], dtype=torch.uint16),
            "U32": torch.tensor([0, 2**31 - 1], dtype=torch.uint32),
            "U64": torch.tensor([0, 2**31 - 1], dtype=torch.uint64),
        },
        folder / "dtypes.safetensors",
    )
    for name in ["python", "dtypes"]:
        print(f"{name}.safetensors: {(folder / f'{name}.safetensors').stat().st_size} bytes")

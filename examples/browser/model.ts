/** @file The network: the tutorial's SimpleCNN, with filters in its first layer that are large enough to look at. */
import { nn, type Tensor } from "torchlet";

export const FILTERS = 16;
export const FILTER_SIZE = 5;

export class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, FILTERS, FILTER_SIZE, { padding: 2 });
  pool1 = new nn.MaxPool2d(2);
  conv2 = new nn.Conv2d(FILTERS, 32, 3, { padding: 1 });
  pool2 = new nn.MaxPool2d(2);
  relu = new nn.ReLU();
  fc1 = new nn.Linear(32 * 7 * 7, 128);
  fc2 = new nn.Linear(128, 10);

  override forward(x: Tensor): Tensor {
    x = this.pool1(this.relu(this.conv1(x)));
    x = this.pool2(this.relu(this.conv2(x)));
    return this.fc2(this.relu(this.fc1(x.flatten(1))));
  }
}

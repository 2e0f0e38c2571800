/** @file Many shapes in one program: what the device keeps of them is given up at the right time. */
import { expect, test } from "vitest";
import { full, type Tensor, tensor } from "torchlet";
import { device } from "../device.js";

test("more bind groups than are kept, in submissions of many dispatches", async () => {
  const held: Tensor[] = [];
  // Each size is memory of its own; a read after 100 of them submits what is left.
  for (let n = 1; n <= 4600; n++) {
    held.push(full([n], n, { device }).neg());
    if (n % 100 === 0) {
      await expect(held.at(-1)!.at([0, 1])).toBeAllclose(tensor([-n]));
      for (const x of held.splice(0)) x.dispose();
    }
  }
});

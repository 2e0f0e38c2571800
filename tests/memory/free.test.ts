/** @file Freeing by hand: dispose(), using, scope(), keep(), and what memoryStats() tells of it. */
import { describe, expect, test } from "vitest";
import {
  ArgumentError,
  fullLike,
  functional as F,
  keep,
  memoryStats,
  nn,
  ones,
  optim,
  rand,
  randnLike,
  resetPeakMemory,
  scope,
  type Tensor,
  tensor,
  zeros,
  zerosLike,
} from "torchlet";

/** What `f` leaves behind, as long as the collector does not come. */
function left(f: () => unknown): { bytes: number; tensors: number; storages: number } {
  const before = memoryStats();
  f();
  const after = memoryStats();
  return {
    bytes: after.liveBytes - before.liveBytes,
    tensors: after.tensors - before.tensors,
    storages: after.storages - before.storages,
  };
}

const NOTHING = { bytes: 0, tensors: 0, storages: 0 };

describe("memoryStats", () => {
  test("counts tensors, their storages and bytes; views share theirs", () => {
    const held: Tensor[] = [];
    expect(left(() => held.push(zeros(10, 25)))).toEqual({ bytes: 1000, tensors: 1, storages: 1 });
    expect(left(() => held.push(held[0]!.t()))).toEqual({ bytes: 0, tensors: 1, storages: 0 });
    expect(left(() => held.push(held[0]!.gt(0)))).toEqual({ bytes: 1000, tensors: 1, storages: 1 });
    expect(left(() => held.at(-1)!.dispose())).toEqual({ bytes: -1000, tensors: -1, storages: -1 });
    expect(left(() => held[0]!.dispose())).toEqual({ bytes: 0, tensors: -1, storages: 0 });
    expect(left(() => held[1]!.dispose())).toEqual({ bytes: -1000, tensors: -1, storages: -1 });
  });

  test("the peak is the largest since it was reset", () => {
    resetPeakMemory();
    const { peakBytes, liveBytes, wasmBytes } = memoryStats();
    expect(peakBytes).toBe(liveBytes);
    zeros(1000).dispose();
    expect(memoryStats().peakBytes).toBe(liveBytes + 4000);
    expect(memoryStats().liveBytes).toBe(liveBytes);
    expect(wasmBytes % 65536).toBe(0);
    resetPeakMemory();
    expect(memoryStats().peakBytes).toBe(liveBytes);
  });
});

describe("dispose", () => {
  test("frees at once, and twice does no harm", async () => {
    const x = rand(100);
    const other = ones(3);
    expect(x.isDisposed).toBe(false);
    expect(left(() => x.dispose())).toEqual({ bytes: -400, tensors: -1, storages: -1 });
    const again = ones(3).mul(2);
    expect(left(() => x.dispose())).toEqual(NOTHING);
    expect(x.isDisposed).toBe(true);
    await expect(other).toBeAllclose([1, 1, 1]);
    await expect(again).toBeAllclose([2, 2, 2]);
  });

  test.each<[string, (x: Tensor) => unknown]>([
    ["shape", (x) => x.shape],
    ["dtype", (x) => x.dtype],
    ["grad", (x) => x.grad],
    ["requiresGrad_", (x) => x.requiresGrad_()],
    ["detach", (x) => x.detach()],
    ["mul", (x) => x.mul(2)],
    ["add_", (x) => x.add_(1)],
    ["sub_", (x) => ones(3).sub_(x)],
    ["item", (x) => x.itemSync()],
    ["tolist", (x) => x.tolistSync()],
    ["tensor", (x) => tensor(x)],
    ["zerosLike", (x) => zerosLike(x)],
    ["fullLike", (x) => fullLike(x, 3)],
    ["randnLike", (x) => randnLike(x)],
    ["backward", (x) => x.backward()],
  ])("%s of a freed tensor is refused by name", (name, use) => {
    const x = ones(3);
    x.dispose();
    expect(() => use(x)).toThrow(ArgumentError);
    expect(() => use(x)).toThrow(new RegExp(`^${name}\\w*: the tensor is gone`));
  });

  test("reads of a freed tensor reject", async () => {
    const x = ones(3);
    const reading = x.data();
    x.dispose();
    expect(Array.from(await reading)).toEqual([1, 1, 1]);
    await expect(x.data()).rejects.toThrow(ArgumentError);
    await expect(x.item()).rejects.toThrow(ArgumentError);
    await expect(x.tolist()).rejects.toThrow(ArgumentError);
  });

  test("what a graph needs outlives the tensor", async () => {
    const w = ones(3).requiresGrad_();
    const inner = w.mul(2);
    const y = inner.mul(inner).sum();
    inner.dispose();
    y.backward();
    await expect(w.grad).toBeAllclose([8, 8, 8]);
  });
});

describe("using", () => {
  test("frees at the end of the block, also after an error", () => {
    let outside: Tensor | undefined;
    expect(
      left(() => {
        using x = ones(3);
        outside = x;
      }),
    ).toEqual(NOTHING);
    expect(outside!.isDisposed).toBe(true);
    expect(
      left(() => {
        try {
          using x = ones(3);
          x.view(2, 2);
        } catch {
          // The tensor counts, not the error.
        }
      }),
    ).toEqual(NOTHING);
  });
});

describe("scope", () => {
  test("frees what was made in it but what it returns, wherever that is", async () => {
    let lost: Tensor | undefined;
    let result: { list: Tensor[]; map: Map<string, Tensor>; set: Set<Tensor> } | undefined;
    const change = left(() => {
      result = scope(() => {
        lost = ones(50);
        const [a, b, c] = [lost.add(1), lost.add(2), lost.add(3)];
        return { list: [a], map: new Map([["b", b]]), set: new Set([c]) };
      });
    });
    expect(change).toEqual({ bytes: 600, tensors: 3, storages: 3 });
    expect(lost!.isDisposed).toBe(true);
    await expect(result!.list[0]!.slice({ end: 1 })).toBeAllclose([2]);
    await expect(result!.map.get("b")!.slice({ end: 1 })).toBeAllclose([3]);
    await expect([...result!.set][0]!.slice({ end: 1 })).toBeAllclose([4]);
  });

  test("leaves alone what was made before, and a returned view its elements", async () => {
    const outer = ones(3);
    const view = scope(() => {
      outer.add_(1);
      return tensor([1, 2, 3, 4]).view(2, 2).select(0, 1);
    });
    await expect(outer).toBeAllclose([2, 2, 2]);
    await expect(view).toBeAllclose([3, 4]);
  });

  test("an inner scope's result belongs to the outer one", () => {
    let inner: Tensor | undefined;
    const change = left(() =>
      scope(() => {
        inner = scope(() => ones(3).add(1));
        expect(inner.isDisposed).toBe(false);
      }),
    );
    expect(inner!.isDisposed).toBe(true);
    expect(change).toEqual(NOTHING);
  });

  test("frees after an error too, and passes it on", () => {
    const change = left(() => {
      expect(() =>
        scope(() => {
          ones(3).view(2, 2);
        }),
      ).toThrow("view");
    });
    expect(change).toEqual(NOTHING);
  });

  test("keep() takes a tensor out of it", () => {
    let kept: Tensor | undefined;
    scope(() => void (kept = keep(ones(3))));
    expect(kept!.isDisposed).toBe(false);
  });

  test("refuses an async function", () => {
    expect(() => scope(() => Promise.resolve(1))).toThrow(ArgumentError);
  });

  test("a whole training step fits into one", async () => {
    const net = new nn.Linear(3, 2);
    const optimizer = new optim.Adam(net.parameters());
    const before = await net.weight.data();
    const step = (): Tensor =>
      scope(() => {
        optimizer.zeroGrad();
        const loss = F.mseLoss(net(ones(4, 3)), zeros(4, 2));
        loss.backward();
        optimizer.step();
        return loss;
      });
    const losses = [step(), step()];
    expect(left(() => losses.push(step()))).toMatchObject({ bytes: 4, tensors: 1 });
    const [first, , third] = await Promise.all(losses.map((loss) => loss.item()));
    expect(third).toBeLessThan(first!);
    expect(net.weight.grad!.shape).toEqual([2, 3]);
    expect(await net.weight.data()).not.toEqual(before);
    expect(new nn.Linear(3, 2)(ones(1, 3)).isDisposed).toBe(false);
  });

  test("a module that is made in it and returned keeps its parameters", async () => {
    const net = scope(() => new nn.Linear(3, 2));
    expect([...net.parameters()].map((p) => p.isDisposed)).toEqual([false, false]);
    await expect(scope(() => net(zeros(1, 3)))).toBeAllclose(await net.bias!.data());
  });
});

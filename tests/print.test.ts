/** @file How tensors and modules print, against PyTorch's text, and what console.log shows in Node. */
import { format, inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { nn, ones, scope, type Tensor, tensor } from "torchlet";
import { input, type StoredInput } from "./golden/golden.js";
import { golden } from "./golden/read.js";
import { execute } from "./golden/check.js";

interface Row {
  name: string;
  program: string;
  inputs: Record<string, StoredInput>;
  text: string;
}

const { by, cases } = golden<{ by: string; cases: Row[] }>("print.json");

describe(`as ${by}`, () => {
  test.each(cases)("$name", ({ program, inputs, text }) => {
    const made = Object.entries(inputs).map(([name, spec]) => [name, input(spec)] as const);
    const result = execute(program, Object.fromEntries(made));
    expect(String(result as Tensor | nn.Module)).toBe(text);
  });
});

describe("in Node", () => {
  const net = new nn.Sequential(new nn.Linear(2, 1), new nn.ReLU({ inplace: true }));
  const lines = [
    "Sequential(",
    "  (0): Linear(inFeatures=2, outFeatures=1, bias=true)",
    "  (1): ReLU(inplace=true)",
    ")",
  ];

  test("console.log shows the text of tensors and modules", () => {
    expect(inspect(tensor([1, 2.5]))).toBe("tensor([1.0000, 2.5000])");
    expect(format("loss", tensor(0.25))).toBe("loss tensor(0.2500)");
    expect(format("%s and %o", tensor([true]), tensor([true]))).toBe(
      "tensor([true]) and tensor([true])",
    );
    expect(inspect(new nn.Parameter(ones(1)))).toBe(
      "Parameter containing:\ntensor([1.], requiresGrad=true)",
    );
    expect(inspect(net)).toBe(lines.join("\n"));
  });

  test("also inside of other values, with their indentation", () => {
    expect(inspect({ x: ones(2, 2), deep: { list: [tensor(3)] } })).toBe(
      [
        "{",
        "  x: tensor([[1., 1.],",
        "          [1., 1.]]),",
        "  deep: { list: [ tensor(3.) ] }",
        "}",
      ].join("\n"),
    );
    expect(inspect({ net })).toBe(["{", `  net: ${lines.join("\n  ")}`, "}"].join("\n"));
  });
});

test("extraRepr comes before the children, and private modules are not shown", () => {
  class Net extends nn.Module {
    readonly #hidden = new nn.Linear(1, 1);
    override extraRepr(): string {
      return "depth=2";
    }
    fc = new nn.Linear(1, 2);
    forward(x: Tensor): Tensor {
      return this.fc(this.#hidden(x));
    }
  }
  const fc = "(fc): Linear(inFeatures=1, outFeatures=2, bias=true)";
  expect(new Net().toString()).toBe(`Net(\n  depth=2\n  ${fc}\n)`);
});

test("a tensor that is gone says so", () => {
  let gone: Tensor | undefined;
  scope(() => void (gone = ones(2)));
  expect(gone?.toString()).toBe("tensor(disposed)");
});

/** @file What runs in a browser: every operation by its samples, the golden cases, a small training run. */
import { bestDevice, useDevice } from "torchlet";
import { device } from "../device.js";
import { checkCase } from "../golden/check.js";
import type { Case } from "../golden/golden.js";
import { differences, operations, outcomes } from "../samples.js";
import { report, reportErrors, unpack } from "./report.js";
import { train } from "./training.js";

const GOLDEN = ["functional.json", "layers.json", "autograd.json", "inplace.json"];

/** Do a part of the suite; an error of it is an outcome. */
async function part(name: string, work: () => Promise<string[]>): Promise<void> {
  let wrong: string[];
  try {
    wrong = await work();
  } catch (error) {
    wrong = [String(error)];
  }
  await report({ part: name, wrong });
}

async function get(path: string): Promise<string> {
  return (await fetch(path)).text();
}

async function golden(file: string): Promise<string[]> {
  const { cases } = JSON.parse(await get(`/golden/${file}`)) as { cases: Case[] };
  const wrong: string[] = [];
  for (const [i, c] of cases.entries()) {
    if (i % 50 === 0) await report({ at: `${file}: ${c.name}` });
    await checkCase(c).catch((error: unknown) => wrong.push(`${c.name}: ${String(error)}`));
  }
  return wrong;
}

if (typeof document === "undefined") reportErrors();
await report({
  start: {
    isolated: crossOriginIsolated,
    page: typeof document !== "undefined",
    bestDevice: await bestDevice(),
  },
});
const expected = unpack(await get("/samples.json"));
for (const name of operations) {
  await part(name, async () => differences(await outcomes(name, device), expected[name] ?? []));
}
if (new URLSearchParams(location.search).has("golden")) {
  for (const file of GOLDEN) await part(file, () => golden(file));
}
await part("training", async () => {
  await report({ losses: await train() });
  return [];
});
const gpu = useDevice("webgpu").then(() => "up", String);
await report({ gpu: await gpu });
await report({ end: "done" });

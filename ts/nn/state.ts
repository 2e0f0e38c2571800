/** @file Loading of saved state into a module. */
import { withDefaults, describe } from "../check.js";
import { ArgumentError, ShapeError } from "../errors.js";
import { noGrad } from "../grad-mode.js";
import { Tensor } from "../tensor.js";

/** Parameters and buffers by their paths. */
export type StateDict = Record<string, Tensor>;

/** Options of `loadStateDict`. */
export interface LoadOptions {
  /** Whether missing and unexpected names are errors. Default true. */
  strict?: boolean;
}

/** Names that did not match. */
export interface LoadResult {
  missingKeys: string[];
  unexpectedKeys: string[];
}

/** Copy a state into the tensors of a module; see `Module.loadStateDict`. */
export function loadInto(
  moduleName: string,
  own: readonly (readonly [path: string, tensor: Tensor])[],
  state: StateDict,
  options?: LoadOptions,
): LoadResult {
  const { strict } = withDefaults<Required<LoadOptions>>("loadStateDict", options, {
    strict: true,
  });
  if (state === null || typeof state !== "object") {
    throw new ArgumentError(`loadStateDict: expected an object of tensors, got ${describe(state)}`);
  }
  const known = new Map(own);
  const missingKeys = [...known.keys()].filter((path) => !Object.hasOwn(state, path));
  const unexpectedKeys = Object.keys(state).filter((path) => !known.has(path));
  const copies = own.flatMap(([path, tensor]) =>
    Object.hasOwn(state, path) ? [{ path, tensor, source: state[path]! }] : [],
  );
  const mismatches = copies.flatMap(({ path, tensor, source }) => mismatch(path, tensor, source));
  const problems = [...mismatches];
  if (strict && unexpectedKeys.length > 0) {
    problems.unshift(`Unexpected key(s) in stateDict: ${quoted(unexpectedKeys)}.`);
  }
  if (strict && missingKeys.length > 0) {
    problems.unshift(`Missing key(s) in stateDict: ${quoted(missingKeys)}.`);
  }
  if (problems.length > 0) {
    const areTensors = copies.every(({ source }) => source instanceof Tensor);
    const Kind = mismatches.length > 0 && areTensors ? ShapeError : ArgumentError;
    throw new Kind(
      `loadStateDict: Error(s) in loading stateDict for ${moduleName}:\n\t${problems.join("\n\t")}`,
    );
  }
  noGrad(() => {
    for (const { tensor, source } of copies) tensor.copy_(source);
  });
  return { missingKeys, unexpectedKeys };
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

function mismatch(path: string, tensor: Tensor, source: unknown): string[] {
  if (!(source instanceof Tensor)) {
    return [`expected a Tensor for ${path}, got ${describe(source)}.`];
  }
  const [had, has] = [describe([...source.shape]), describe([...tensor.shape])];
  if (had === has) return [];
  return [
    `size mismatch for ${path}: copying a param with shape ${had} from checkpoint, ` +
      `the shape in current model is ${has}.`,
  ];
}

/** @file Checks of arguments that JavaScript lets through: types and names of options, never values. */
import { ArgumentError } from "./errors.js";

/** Describe a value for an error message. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  // Modules are functions of a class of their own.
  if (typeof value === "function" && value.constructor === Function) return "a function";
  if (value === null || (typeof value !== "object" && typeof value !== "function")) {
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map(describe).join(", ")}]`;
  const name = value.constructor?.name ?? "object without prototype";
  return `${/^[aeio]/i.test(name) ? "an" : "a"} ${name}`;
}

/** Refuse what is not a number. */
export function number(operation: string, name: string, value: unknown): number {
  if (typeof value === "number") return value;
  throw new ArgumentError(`${operation}: ${name} must be a number, got ${describe(value)}`);
}

/** Refuse what is neither a number nor a boolean, which counts as 1 or 0. */
export function scalar(operation: string, name: string, value: unknown): number {
  return typeof value === "boolean" ? Number(value) : number(operation, name, value);
}

/** Refuse what is outside of int32, and drop the fraction of what is inside. */
export function int32(operation: string, value: number): number {
  if (value >= -(2 ** 31) && value < 2 ** 31) return Math.trunc(value);
  throw new ArgumentError(`${operation}: ${value} does not fit into int32`);
}

/** Refuse what is not a function. */
export function callable<F>(operation: string, name: string, value: F): F {
  if (typeof value === "function") return value;
  throw new ArgumentError(`${operation}: ${name} must be a function, got ${describe(value)}`);
}

/** Refuse what is not a positive integer below 2^31. */
export function positive(operation: string, name: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31) {
    return value as number;
  }
  throw new ArgumentError(
    `${operation}: ${name} must be a positive integer, got ${describe(value)}`,
  );
}

/** Refuse what is not a boolean. */
export function boolean(operation: string, name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new ArgumentError(`${operation}: ${name} must be true or false, got ${describe(value)}`);
}

/** Refuse what is not a list of numbers. */
export function numbers(operation: string, name: string, value: unknown): readonly number[] {
  if (Array.isArray(value) && value.every((x) => typeof x === "number")) return value;
  throw new ArgumentError(
    `${operation}: ${name} must be a list of numbers, got ${describe(value)}`,
  );
}

/** Refuse what is not one of the given strings. */
export function oneOf<T extends string>(
  operation: string,
  name: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if (allowed.includes(value as T)) return value as T;
  const list = allowed.map((x) => `"${x}"`).join(", ");
  throw new ArgumentError(`${operation}: ${name} must be one of ${list}, got ${describe(value)}`);
}

/** A size for height and width: one number for both, or one each. */
export type Size2d = number | readonly [height: number, width: number];

/** Spell a size out as `[height, width]`. */
export function pair(operation: string, name: string, value: unknown): [number, number] {
  if (typeof value === "number") return [value, value];
  if (Array.isArray(value) && value.length === 2) {
    const [height, width] = numbers(operation, name, value);
    return [height!, width!];
  }
  throw new ArgumentError(
    `${operation}: ${name} must be a number or [height, width], got ${describe(value)}`,
  );
}

/**
 * Fill an options object with its defaults.
 *
 * An option that the operation does not have is an error, as an unknown keyword is in Python.
 * Where the default is a number or a boolean, the option has to be one too.
 */
export function withDefaults<T extends object>(
  operation: string,
  given: Partial<T> | undefined,
  defaults: T,
): T {
  if (given === undefined) return defaults;
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new ArgumentError(`${operation}: expected an options object, got ${describe(given)}`);
  }
  const filled: T = { ...defaults };
  for (const key of Object.keys(given) as (keyof T & string)[]) {
    if (!Object.hasOwn(defaults, key)) {
      const known = Object.keys(defaults).join(", ");
      throw new ArgumentError(`${operation}: unknown option ${describe(key)} (it has ${known})`);
    }
    const value = given[key];
    if (value === undefined) continue;
    const expected = typeof defaults[key];
    // Some numbers may also be given as a pair or a word, which their operations check.
    const alternative =
      expected === "number" && (Array.isArray(value) || typeof value === "string");
    const plain = expected === "number" || expected === "boolean";
    if (plain && typeof value !== expected && !alternative) {
      throw new ArgumentError(`${operation}: ${key} must be a ${expected}, got ${describe(value)}`);
    }
    filled[key] = value as T[keyof T & string];
  }
  return filled;
}

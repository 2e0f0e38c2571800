/** @file Whether operations are recorded for `backward()`. */
import { boolean, callable } from "./check.js";
import { raw } from "./raw.js";

/** A call of `noGrad` or `enableGrad` that has not returned yet. */
interface Frame {
  enabled: boolean;
}

// Asynchronous functions may end in another order than they began, so a frame takes itself out of the
// list instead of restoring what it found.
const frames: Frame[] = [];
let base = true;

function update(): void {
  raw.setGradEnabled(frames.at(-1)?.enabled ?? base);
}

function within<T>(operation: string, enabled: boolean, f: () => T): T {
  callable(operation, "f", f);
  const frame = { enabled };
  const leave = (): void => {
    frames.splice(frames.indexOf(frame), 1);
    update();
  };
  frames.push(frame);
  update();
  let result: T;
  try {
    result = f();
  } catch (error) {
    leave();
    throw error;
  }
  if (result instanceof Promise) return result.finally(leave) as T;
  leave();
  return result;
}

/**
 * Run `f` without recording for `backward()`, and return its value.
 *
 * For an `async` function the mode lasts until its promise is settled.
 */
export function noGrad<T>(f: () => T): T {
  return within("noGrad", false, f);
}

/** Run `f` with recording for `backward()` switched on, also inside of `noGrad`; return its value. */
export function enableGrad<T>(f: () => T): T {
  return within("enableGrad", true, f);
}

/** Switch recording for `backward()` on or off until it is set again or the enclosing `noGrad` ends. */
export function setGradEnabled(enabled: boolean): void {
  boolean("setGradEnabled", "enabled", enabled);
  const frame = frames.at(-1);
  if (frame) frame.enabled = enabled;
  else base = enabled;
  update();
}

/** Tell whether operations are recorded for `backward()`. */
export function isGradEnabled(): boolean {
  return raw.isGradEnabled();
}

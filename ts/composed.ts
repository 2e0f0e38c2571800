/** @file Operations that are made of others. */
import { TorchletError } from "./errors.js";
import { scope } from "./memory.js";

/** Run what an operation is made of, and name the operation in its errors. */
export function naming<T>(operation: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    if (!(error instanceof TorchletError) || error.message.startsWith(`${operation}: `))
      throw error;
    const Same = error.constructor as new (message: string, options: ErrorOptions) => TorchletError;
    throw new Same(`${operation}: ${error.message}`, { cause: error });
  }
}

/** Run the operations of which another is made; free what they leave, and name the other in errors. */
export function composed<T>(operation: string, f: () => T): T {
  return naming(operation, () => scope(f));
}

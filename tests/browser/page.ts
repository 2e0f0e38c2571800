/** @file The page of a suite: runs it here, or in a worker if its address says so. */
import { report, reportErrors } from "./report.js";

reportErrors();
const suite = `/tests/suite.js${location.search}`;
if (new URLSearchParams(location.search).has("worker")) {
  const worker = new Worker(suite, { type: "module" });
  worker.onerror = ({ message }) => void report({ end: message || "the worker did not start" });
} else {
  await import(suite);
}

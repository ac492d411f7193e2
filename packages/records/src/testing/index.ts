// A made-up run, for tests of this repository.
export { runStarted, sampleEvents } from "./sample-events.ts";
export { sampleRecord } from "./sample-record.ts";

// What a server needs for a run and not without one: policies, the engine, strategies, reports. The run queue loads it
// when there is a run, so that a server starts as fast as it can say that there is none.
export { openCheckpoint } from "@zk0/policy";
export { newRunId, recordedConfig, recordOf } from "../simulation/recorded-run.ts";
export { writeStartCheckpoint } from "../simulation/start-model.ts";
export { serveRun } from "./serve-run.ts";

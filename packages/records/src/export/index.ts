// Public names of @zk0/records/export: a run for other programs.
export { EXPORT_FORMATS, exportRun } from "./export-run.ts";
export { TABLE_NAMES } from "./run-tables.ts";

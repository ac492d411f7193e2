// Vitest setup: worker threads and child processes started by tests write their V8 coverage where tools/test.ts
// looks for it. Set here and not for vitest itself, whose own coverage would be disturbed.
const directory = process.env["ZK0_CHILD_COVERAGE_DIR"];
if (directory !== undefined) process.env["NODE_V8_COVERAGE"] = directory;

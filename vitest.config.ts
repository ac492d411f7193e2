// Tests run on the sources (condition "source"); worker threads and child processes run the built dist,
// so `npm test` builds first.
import { defineConfig } from "vitest/config";

// What Node itself looks for: no "module", neither as condition nor as field, which name files for bundlers.
const conditions = ["source", "node", "import", "default"];

export default defineConfig({
	resolve: { conditions, mainFields: [] },
	ssr: { resolve: { conditions, externalConditions: conditions } },
	test: {
		include: [
			"packages/*/src/**/*.test.ts",
			"e2e/**/*.test.ts",
			"tools/**/*.test.ts",
			// What takes a minute and more, where everything must run.
			...(process.env["ZK0_REQUIRE_ALL"] === "1" ? ["e2e/*.all.ts"] : []),
			// With real Flower processes, which ZK0_FLWR says where to find: see docs/flower.md.
			...(process.env["ZK0_FLWR"] === undefined ? [] : ["e2e/interop/*.interop.ts"]),
		],
		setupFiles: ["tools/test-setup.ts"],
		pool: "forks",
		// For two cores: a worker's tests wait for child processes and the disk one seventh of the time.
		maxWorkers: 3,
		// No module keeps state, so files share a process: importing costs 0.4 s each time otherwise.
		isolate: false,
		testTimeout: 60_000,
		hookTimeout: 60_000,
		coverage: {
			provider: "v8",
			include: ["packages/*/src/**/*.ts"],
			// The browser app runs in a browser, out of sight of this process's coverage: e2e/dashboard.test.ts.
			exclude: [
				"packages/dashboard/src/app/**",
				"**/*.test.ts",
				"**/*.contract.ts",
				"**/testing/**",
				"**/gen/**",
			],
		},
	},
});

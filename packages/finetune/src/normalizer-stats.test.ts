import { vectorStats } from "@zk0/dataset";
import { expect, test } from "vitest";
import { normalizerStats } from "./normalizer-stats.ts";

test("a joint that never moves is shifted but not scaled; others keep their spread", () => {
	const resting = 57.3;
	const stats = vectorStats(Float32Array.of(1, resting, 3, resting, 5, resting), 2);
	const { action } = normalizerStats({ action: stats });
	expect(action?.["std"]?.[0]).toBeCloseTo(Math.sqrt(8 / 3), 6);
	expect(action?.["std"]?.[1]).toBe(1);
	expect(action?.["mean"]?.[1]).toBeCloseTo(resting, 5);
	expect(action).not.toHaveProperty("count");
});

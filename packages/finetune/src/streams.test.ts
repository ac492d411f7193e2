import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluationDraw, samplerPath, samplingNoise, trainingDraw } from "./streams.ts";

const site = { seed: 7, site: "lab" };

describe("streams", () => {
	test("depend on seed, site and position alone", () => {
		expect(trainingDraw(site, 3, 8)).toEqual(trainingDraw({ ...site }, 3, 8));
		const others = [
			trainingDraw(site, 4, 8),
			trainingDraw({ ...site, seed: 8 }, 3, 8),
			trainingDraw({ ...site, site: "shop" }, 3, 8),
			evaluationDraw(site, 3, 8),
		];
		for (const other of others) expect(other).not.toEqual(trainingDraw(site, 3, 8));
		expect(samplingNoise(site, 3, 8)).toEqual(samplingNoise(site, 3, 8));
		expect(samplerPath(site)).toEqual([7, "lab", "sampler"]);
	});

	test("noise is standard normal and time follows Beta(1.5, 1)", () => {
		const draws = Array.from({ length: 4000 }, (_, position) => trainingDraw(site, position, 4));
		const noise = draws.flatMap((draw) => [...draw.noise]);
		const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
		const variance = noise.reduce((sum, value) => sum + value ** 2, 0) / noise.length;
		expect(Math.abs(mean)).toBeLessThan(0.03);
		expect(Math.abs(variance - 1)).toBeLessThan(0.05);
		const meanTime = draws.reduce((sum, draw) => sum + draw.time, 0) / draws.length;
		expect(Math.abs(meanTime - (0.6 * 0.999 + 0.001))).toBeLessThan(0.02);
	});

	test("the draws of a frame are stratified in time", () => {
		fc.assert(
			fc.property(fc.nat(1000), fc.integer({ min: 1, max: 8 }), (frame, numDraws) => {
				for (let draw = 0; draw < numDraws; draw++) {
					const { time } = evaluationDraw(site, frame, 2, { draw, numDraws });
					const quantile = ((time - 0.001) / 0.999) ** 1.5;
					expect(quantile).toBeGreaterThanOrEqual(draw / numDraws - 1e-12);
					expect(quantile).toBeLessThanOrEqual((draw + 1) / numDraws + 1e-12);
				}
			}),
		);
	});
});

import { describe, expect, test } from "vitest";
import { domainOf } from "./domain.ts";
import { SimError } from "./errors.ts";
import { fromRadians, limitOf } from "./joints.ts";
import { drawLayout } from "./layout.ts";
import { findTask, TASKS } from "./tasks.ts";

const distance = (left: { x: number; y: number }, right: { x: number; y: number }): number =>
	Math.hypot(left.x - right.x, left.y - right.y);

describe("drawLayout", () => {
	test("same seed, same scene; another seed, another scene", () => {
		const task = findTask("reach-red");
		expect(drawLayout(3, task, domainOf())).toEqual(drawLayout(3, task, domainOf()));
		expect(drawLayout(4, task, domainOf())).not.toEqual(drawLayout(3, task, domainOf()));
		expect(drawLayout("3", task, domainOf())).not.toEqual(drawLayout(3, task, domainOf()));
	});

	test("every task finds room in many workplaces; things do not overlap and the arm starts inside its limits", () => {
		for (const task of TASKS) {
			for (let seed = 0; seed < 12; seed++) {
				const { cubes, zones, armRad } = drawLayout(seed, task, domainOf(`workplace-${seed}`));
				const things = [...cubes, ...zones];
				things.forEach((one, index) => {
					for (const other of things.slice(index + 1)) expect(distance(one, other)).toBeGreaterThan(0.05);
				});
				armRad.forEach((angleRad, joint) => {
					const { min, max } = limitOf(joint);
					expect(fromRadians(joint, angleRad)).toBeGreaterThan(min);
					expect(fromRadians(joint, angleRad)).toBeLessThan(max);
				});
			}
		}
	});

	test("the named thing comes first, and the colour of a sister task is always there too", () => {
		for (let seed = 0; seed < 10; seed++) {
			const red = drawLayout(seed, findTask("reach-red"), domainOf());
			const blue = drawLayout(seed, findTask("reach-blue"), domainOf());
			expect(red.cubes[0]?.colour).toBe("red");
			expect(red.cubes.map((cube) => cube.colour)).toContain("blue");
			expect(blue.cubes[0]?.colour).toBe("blue");
			expect(blue.cubes.map((cube) => cube.colour)).toContain("red");
			const above = drawLayout(seed, findTask("above-green"), domainOf());
			expect(above.zones.map((zone) => zone.colour)).toEqual(["green", "blue"]);
		}
	});

	test("a push to the left looks like a push to the right", () => {
		for (let seed = 0; seed < 10; seed++) {
			const left = drawLayout(seed, findTask("push-blue-left"), domainOf());
			expect(drawLayout(seed, findTask("push-blue-right"), domainOf())).toEqual(left);
		}
	});

	test("an area without room is an error, not an overlap", () => {
		const domain = { ...domainOf(), placement: { xMin: 0.22, xMax: 0.22, yMin: 0.3, yMax: 0.3 } };
		const crowded = { ...domain, placement: { xMin: 0.15, xMax: 0.15, yMin: 0, yMax: 0 } };
		expect(() => drawLayout(0, findTask("place-red-on-green"), crowded)).toThrow(SimError);
	});
});

describe("domainOf", () => {
	test("is a function of its name", () => {
		expect(domainOf("a")).toEqual(domainOf("a"));
		expect(domainOf("a")).not.toEqual(domainOf("b"));
		expect(domainOf("a")).not.toEqual(domainOf());
	});

	test("stays a plausible workplace", () => {
		for (let index = 0; index < 100; index++) {
			const { light, tableRgb, placement, jointOffsets } = domainOf(`d${index}`);
			expect(Math.hypot(...light.direction)).toBeCloseTo(1, 9);
			expect(light.direction[2]).toBeGreaterThan(0.8);
			for (const channel of tableRgb) expect(channel).toBeLessThanOrEqual(1);
			expect(placement.xMax - placement.xMin).toBeGreaterThan(0.06);
			expect(placement.yMax - placement.yMin).toBeGreaterThan(0.14);
			for (const offset of jointOffsets) expect(Math.abs(offset)).toBeLessThanOrEqual(3);
		}
	});
});

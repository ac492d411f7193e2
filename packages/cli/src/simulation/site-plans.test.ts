import { describe, expect, test } from "vitest";
import { planSites } from "./site-plans.ts";

const settings = { data: null, sites: 4, episodes: 12, imageSize: [96, 128] as const, seed: 42 };

describe("planSites", () => {
	test("makes up demonstration sites with the run's settings", () => {
		const plans = planSites(settings);
		expect(plans.map(({ name }) => name)).toEqual(["site-a", "site-b", "site-c", "site-d"]);
		expect(plans[0]?.source).toMatchObject({ episodes: 12, seed: 42, image: { height: 96, width: 128 } });
		expect(new Set(plans.map(({ source }) => source?.tasks.join())).size).toBe(4);
	});

	test("more sites than demonstrations get workplaces of their own", () => {
		const plans = planSites({ ...settings, sites: 6 });
		expect(new Set(plans.map(({ source }) => source?.domain)).size).toBe(6);
		expect(new Set(plans.map(({ name }) => name)).size).toBe(6);
	});

	test("data come as given, by name, with the URI's own options kept", () => {
		const data = { workshop: "data/w", kitchen: "sim:reach-red?episodes=3&size=96x64" };
		expect(planSites({ ...settings, data })).toMatchObject([
			{
				name: "kitchen",
				source: { tasks: ["reach-red"], episodes: 3, seed: 42, image: { height: 64, width: 96 } },
			},
			{ name: "workshop", uri: "data/w", source: null },
		]);
	});

	test("a planned URI plans itself", () => {
		const [plan] = planSites(settings);
		expect(planSites({ ...settings, data: { x: plan?.uri ?? "" } })[0]?.source).toEqual(plan?.source);
	});

	test.each(["sim:reach-rde", "sim:reach-red?episode=3", "sim:"])("%s is refused", (uri) => {
		expect(() => planSites({ ...settings, data: { x: uri } })).toThrow(/did you mean|is not sim:/);
	});
});

// The layout against the 2-D rule of the spec (§4): allow[q,k] = cumsum(att)[k] <= cumsum(att)[q] and pad[q] and pad[k].
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { modelDims } from "../config/dims.ts";
import { parsePolicyConfig } from "../config/policy-config.ts";
import { smallPreset } from "../config/small-preset.ts";
import { MASKED_BIAS, prefixLayout, prefixPositions } from "./prefix-layout.ts";

const { config: small, vlm } = smallPreset();

function layoutOf(overrides: Record<string, unknown>, options: Parameters<typeof prefixLayout>[2] = {}) {
	const config = parsePolicyConfig({ ...small, ...overrides });
	return prefixLayout(config, modelDims(config, vlm), options);
}

describe("prefixLayout", () => {
	test("is cameras in order, then language", () => {
		const layout = layoutOf({});
		expect(layout.segments.map(({ kind }) => kind)).toEqual(["image", "image", "language"]);
		expect(layout.numTokens).toBe(2 * 16 + 16);
	});

	test("drops the pixels of absent cameras but keeps the special tokens around placeholders", () => {
		const present = { cameras: ["observation.images.wrist"] };
		expect(layoutOf({}, present).numTokens).toBe(16 + 16);
		expect(layoutOf({ empty_cameras: 1 }, present).numTokens).toBe(16 + 16);
		const special = layoutOf({ empty_cameras: 1, add_image_special_tokens: true }, present);
		expect(special.numTokens).toBe(2 + 16 + 1 + (2 + 1) + 16);
	});

	test("refuses no camera and unknown cameras", () => {
		expect(() => layoutOf({}, { cameras: [] })).toThrow(/no-camera/);
		expect(() => layoutOf({}, { cameras: ["observation.images.side"] })).toThrow(/bad-config.*images\.side/);
	});
});

describe("prefixPositions", () => {
	const bits = (length: number) => fc.array(fc.constantFrom(0, 1), { minLength: length, maxLength: length });

	test("agrees with the 2-D mask rule and cumulative positions for any masks", () => {
		fc.assert(
			fc.property(fc.boolean(), bits(2), bits(5), (special, cameras, language) => {
				const layout = layoutOf({ add_image_special_tokens: special }, { languageLength: 5 });
				const { bias, positions, numValid } = prefixPositions(layout, 1, {
					cameras: Uint8Array.from(cameras),
					language: Uint8Array.from(language),
				});
				const images = cameras.flatMap((bit) => [
					...(special ? [1, 1] : []),
					...Array.from({ length: 16 }, () => bit),
					...(special ? [1] : []),
				]);
				const actions = [1, 1, 1];
				const pad = [...images, ...language, 1, ...actions];
				const att = pad.map((_, index) => (index >= images.length + language.length ? 1 : 0));
				const level = att.map((_, index) => att.slice(0, index + 1).reduce<number>((a, b) => a + b, 0));
				const order = pad.map((_, index) => pad.slice(0, index + 1).reduce((a, b) => a + b, 0) - 1);
				const numPrefix = layout.numTokens;
				pad.forEach((isReal, query) => {
					if (isReal === 0) return;
					for (let key = 0; key < numPrefix; key++) {
						const allowed = (level[key] ?? 0) <= (level[query] ?? 0) && pad[key] === 1;
						expect(bias[key]).toBe(allowed ? 0 : MASKED_BIAS);
					}
				});
				const real = [...positions].map(Number).filter((_, token) => pad[token] === 1);
				expect(real).toEqual(order.slice(0, numPrefix).filter((_, token) => pad[token] === 1));
				expect(numValid[0]).toBe(order[numPrefix]);
				expect((numValid[0] ?? 0) + 1).toBe(order[numPrefix + 1]);
			}),
			{ numRuns: 30 },
		);
	});

	test("keeps samples apart", () => {
		const layout = layoutOf({}, { languageLength: 2 });
		const { numValid } = prefixPositions(layout, 2, {
			cameras: Uint8Array.of(1, 0, 1, 1),
			language: Uint8Array.of(1, 0, 1, 1),
		});
		expect([...numValid]).toEqual([17, 34]);
	});
});

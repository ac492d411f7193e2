import { expect, test } from "vitest";
import { inRowOrder } from "./read.ts";

test("row groups that arrive out of order are put in order", () => {
	const chunks = [
		{ rowStart: 3, values: [30, 40] },
		{ rowStart: 0, values: [0, 10] },
		{ rowStart: 2, values: [20] },
	];
	expect(inRowOrder(chunks)).toEqual([0, 10, 20, 30, 40]);
});

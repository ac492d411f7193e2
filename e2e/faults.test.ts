// One point of the fault matrix (`npm run faults` tries all): the server dies in the middle of a line of its log while a
// site hands in an update that is refused.
import { expect, test } from "vitest";
import { type FaultPoint, tryPoint } from "../tools/faults/point.ts";
import { references } from "../tools/faults/reference.ts";
import { restartServer } from "../tools/faults/server-points.ts";

const POINT: FaultPoint = {
	group: "server killed",
	what: "in the middle of the line of the accepted set, after a site handed in NaN",
	kind: "removing",
	removes: { site: "bob", round: 1 },
	refusal: "not-finite",
	stage: {
		minUpdates: 2,
		server: { death: { at: "append", event: "round.accepted", nth: 1, moment: "half" } },
		clients: { bob: { misdeed: { what: "nan", round: 1 } } },
	},
	make: async (stage) => {
		expect(await stage.server.ended).toBe("SIGKILL");
		return await restartServer(stage);
	},
};

test("processes over TLS end at the bytes of a run in memory with the accepted updates", {
	timeout: 240_000,
}, async () => {
	const { failure, isHashEqual, numRepeated } = await tryPoint(POINT, references());
	expect({ failure, isHashEqual, numRepeated }).toEqual({ failure: null, isHashEqual: true, numRepeated: 0 });
});

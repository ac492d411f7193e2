import { createNodeIdentity, Fleet, FlowerError, type Transport } from "@zk0/flower";
import { expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { createNodeSession, type NodeSession } from "./node-session.ts";

/** A session over calls that answer as `answer` says, after a turn of the event loop. */
function sessionOver(answer: (method: string) => object): NodeSession {
	const transport: Transport = {
		unary: async (method) => {
			await new Promise((resolve) => setImmediate(resolve));
			// Each answer is of the method that it is given to.
			return answer(method.name) as never;
		},
		[Symbol.asyncDispose]: () => Promise.resolve(),
	};
	return createNodeSession({
		transport,
		identity: createNodeIdentity("prime256v1"),
		site: "ann",
		invite: "",
		info: { numSamples: 5, details: {} },
		session: "life",
		clock: manualClock(0),
		timeoutMs: 1000,
		heartbeatSeconds: 10,
		retry: { attempts: 3 },
		onPending: () => undefined,
		onRetry: () => undefined,
	});
}

test("calls beside each other that learn that the node was forgotten join once and are all made again", async () => {
	let numJoins = 0;
	const session = sessionOver((method) => {
		if (method === "ActivateNode") numJoins++;
		else if (numJoins === 1) throw new FlowerError("aborted", "activate the node again");
		return { nodeId: 7n, success: true };
	});
	await session.join();
	const beat = () => session.calls.unary(Fleet.method.sendNodeHeartbeat, {});
	const answers = await Promise.all([beat(), beat(), beat(), beat()]);
	expect(answers.map(({ success }) => success)).toEqual([true, true, true, true]);
	expect(numJoins).toBe(2);
});

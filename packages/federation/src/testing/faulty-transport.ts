// Faults on the way between a node and the server, for tests: chosen calls are lost, doubled or held up.
import { FlowerError, type Transport } from "@zk0/flower";

/** What happens to a call instead of simply arriving. */
export type Fault =
	/** Never reaches the server. */
	| { readonly kind: "drop-request" }
	/** Takes effect at the server, but the answer is lost. */
	| { readonly kind: "drop-response" }
	/** Reaches the server twice; the second answer is returned. */
	| { readonly kind: "duplicate" }
	/** Reaches the server when `until` resolves. */
	| { readonly kind: "delay"; readonly until: Promise<void> };

/** Chooses a fault by the call's method (`PullMessages`) and how many calls of it were made before. */
export type FaultPlan = (method: string, index: number) => Fault | null;

/** `transport` with faults. */
export function faultyTransport(transport: Transport, plan: FaultPlan): Transport {
	const numCalls = new Map<string, number>();
	return {
		unary: async (method, request, options) => {
			const index = numCalls.get(method.name) ?? 0;
			numCalls.set(method.name, index + 1);
			const fault = plan(method.name, index);
			if (fault?.kind === "drop-request") throw lost(method.name);
			if (fault?.kind === "delay") await fault.until;
			if (fault?.kind === "duplicate") await transport.unary(method, request, options);
			const answer = await transport.unary(method, request, options);
			if (fault?.kind === "drop-response") throw lost(method.name);
			return answer;
		},
		[Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
	};
}

function lost(method: string): FlowerError {
	return new FlowerError("unavailable", `the connection broke during ${method}`);
}

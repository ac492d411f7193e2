import { describe } from "vitest";
import { memoryTransport } from "./memory-transport.ts";
import { defineTransportContract } from "./transport.contract.ts";

describe("memory transport", () => {
	defineTransportContract(async (routes, options) => {
		const transport = memoryTransport(routes, options);
		return { transport, [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() };
	});
});

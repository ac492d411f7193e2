// Counts the bytes of the messages that pass through routes.
import type { BodyHandler, Route } from "@zk0/flower";
import type { Traffic } from "./grid.ts";

/** Bytes moved so far, in both directions. */
export interface TrafficMeter {
	/** The same route, counted. */
	counted(route: Route): Route;
	/** Bytes moved since the meter was made. */
	read(): Traffic;
}

/** A meter at zero. */
export function createTrafficMeter(): TrafficMeter {
	let total: Traffic = { bytesUp: 0, bytesDown: 0 };
	return {
		counted: (route) => ({
			open: async (info) => {
				const admitted = await route.open(info);
				const handle: BodyHandler = async (request, signal, reserve) => {
					const answer = await admitted.handle(request, signal, reserve);
					const { bytesUp, bytesDown } = total;
					total = { bytesUp: bytesUp + request.length, bytesDown: bytesDown + answer.length };
					return answer;
				};
				return { ...admitted, handle };
			},
		}),
		read: () => total,
	};
}

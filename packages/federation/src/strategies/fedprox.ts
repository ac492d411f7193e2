// FedProx: FedAvg whose sites add mu/2 * ||w - w_global||^2 to their loss, which keeps them near the global weights.
// Li et al., "Federated Optimization in Heterogeneous Networks", 2020, algorithm 2. The term acts in the sites' steps.
import { resolveSampling, type SamplingOptions } from "../sampling.ts";
import type { Strategy } from "../strategy.ts";
import { fedAvg } from "./fedavg.ts";

/** Options of FedProx. */
export interface FedProxOptions extends SamplingOptions {
	/** Coefficient of the proximal term, >= 0; 0 is FedAvg. */
	readonly mu: number;
}

/** FedProx over a sample of the online sites. @throws RangeError on options out of range. */
export function fedProx(options: FedProxOptions): Strategy<null> {
	const { mu, ...sampling } = options;
	if (!(Number.isFinite(mu) && mu >= 0))
		throw new RangeError(`fedProx: mu ${mu} is not a number of at least 0`);
	const average = fedAvg(sampling);
	return {
		...average,
		name: "fedprox",
		options: { ...resolveSampling(sampling), mu },
		configure: (state, request) => ({ ...average.configure(state, request), proximalMu: mu }),
	};
}

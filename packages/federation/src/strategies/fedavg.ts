// FedAvg: the mean of the sites' weights, weighted by the samples they consumed.
// McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017, algorithm 1.
import { resolveSampling, type SamplingOptions, sampleSites } from "../sampling.ts";
import type { Strategy } from "../strategy.ts";

/** FedAvg over a sample of the online sites. @throws RangeError on sampling options out of range. */
export function fedAvg(options: SamplingOptions = {}): Strategy<null> {
	const sampling = resolveSampling(options);
	return {
		name: "fedavg",
		options: sampling,
		init: () => null,
		configure: (_state, request) => ({ sites: sampleSites(request, sampling), proximalMu: 0 }),
		aggregate: (state, updates) => ({
			state,
			weights: updates.map(({ numSamples }) => numSamples),
			serverStep: null,
		}),
	};
}

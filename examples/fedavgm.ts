// A strategy of one's own: FedAvg with server momentum (Hsu et al., "Measuring the Effects of Non-Identical Data
// Distribution for Federated Visual Classification", 2019).
import { fedAvg, type SamplingOptions, type ServerStep, type Strategy } from "@zk0/federation";

/** FedAvgM over a sample of the online sites: velocity v = beta v + (w - mean), then w - v. */
export function fedAvgM({ beta, ...sampling }: SamplingOptions & { readonly beta: number }): Strategy<null> {
	const average = fedAvg(sampling);
	const serverStep: ServerStep = {
		slots: ["velocity"],
		apply(mean, current, [velocity = new Float32Array(mean.length)]) {
			for (let index = 0; index < mean.length; index++) {
				const now = current[index] ?? 0;
				velocity[index] = beta * (velocity[index] ?? 0) + now - (mean[index] ?? 0);
				mean[index] = now - (velocity[index] ?? 0);
			}
		},
	};
	return {
		...average,
		name: "fedavgm",
		options: { ...sampling, beta },
		aggregate: (state, updates) => ({ ...average.aggregate(state, updates), serverStep }),
	};
}

// AdamW (Loshchilov & Hutter, 2019) as torch.optim.AdamW computes it, and clipping of the total gradient norm as
// torch.nn.utils.clip_grad_norm_. Scalars are float64; the update itself is a WebAssembly SIMD kernel.

/** Constants of AdamW. */
export interface AdamWOptions {
	readonly beta1: number;
	readonly beta2: number;
	readonly eps: number;
	readonly weightDecay: number;
}

/** The scalars of one update that the kernel needs. */
export interface AdamWScalars {
	/** Factor on the parameters: 1 - learningRate * weightDecay. */
	readonly decay: number;
	/** learningRate / (1 - beta1^step). */
	readonly stepSize: number;
	/** 1 / sqrt(1 - beta2^step). */
	readonly rootScale: number;
}

/** Scalars of update number `step`, counted from 1. */
export function adamwScalars(step: number, learningRate: number, options: AdamWOptions): AdamWScalars {
	return {
		decay: 1 - learningRate * options.weightDecay,
		stepSize: learningRate / (1 - options.beta1 ** step),
		rootScale: 1 / Math.sqrt(1 - options.beta2 ** step),
	};
}

/** Factor on the gradients so that their total L2 norm is at most `clipNorm`; 1 when clipping is off. */
export function clipScale(gradNorm: number, clipNorm: number | null): number {
	return clipNorm === null ? 1 : Math.min(1, clipNorm / (gradNorm + 1e-6));
}

/** Demands betas in [0, 1), positive eps and a non-negative decay. @throws RangeError otherwise. */
export function checkAdamWOptions(options: AdamWOptions): void {
	const { beta1, beta2, eps, weightDecay } = options;
	const isBeta = (beta: number): boolean => beta >= 0 && beta < 1;
	if (!isBeta(beta1) || !isBeta(beta2) || !(eps > 0) || !(weightDecay >= 0)) {
		throw new RangeError(
			`adamw: beta1 ${beta1} and beta2 ${beta2} must be in [0, 1), eps ${eps} above 0, weightDecay ${weightDecay} at least 0`,
		);
	}
}

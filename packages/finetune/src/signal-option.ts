// An optional abort signal as the options object that other packages take.

/** Options with the signal, or without the key when there is none. */
export function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
	return signal === undefined ? {} : { signal };
}

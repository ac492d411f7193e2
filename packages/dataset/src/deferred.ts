// A promise with its resolvers outside (Promise.withResolvers comes with Node 22).

/** A promise to be settled from elsewhere. */
export interface Deferred<T> {
	readonly promise: Promise<T>;
	resolve(value: T): void;
	reject(cause: unknown): void;
}

/** A pending promise; settling it twice has no effect. */
export function deferred<T>(): Deferred<T> {
	let settle: Omit<Deferred<T>, "promise"> | null = null;
	const promise = new Promise<T>((resolve, reject) => {
		settle = { resolve, reject };
	});
	return {
		promise,
		resolve: (value) => settle?.resolve(value),
		reject: (cause) => settle?.reject(cause),
	};
}

// A transport whose connection can be replaced by another one while calls are under way: they end on the old one, later ones
// are made on the new one.
import type { Transport } from "@zk0/flower";

/** A transport over a transport. Disposing it disposes whatever it uses. */
export interface ReplaceableTransport extends Transport {
	/** Makes later calls on `next`, which this one owns from now on. */
	replace(next: Transport): void;
}

interface Used {
	readonly transport: Transport;
	numCalls: number;
}

/** Begins with `first`, and owns it. */
export function replaceableTransport(first: Transport): ReplaceableTransport {
	let current: Used = { transport: first, numCalls: 0 };
	const retired = new Set<Used>();
	const retire = async (used: Used): Promise<void> => {
		if (used.numCalls > 0 || !retired.delete(used)) return;
		await used.transport[Symbol.asyncDispose]();
	};
	return {
		async unary(method, request, options) {
			const used = current;
			used.numCalls++;
			try {
				return await used.transport.unary(method, request, options);
			} finally {
				used.numCalls--;
				await retire(used);
			}
		},
		replace(next) {
			const old = current;
			current = { transport: next, numCalls: 0 };
			retired.add(old);
			// A transport's disposal only closes its connection.
			void retire(old);
		},
		async [Symbol.asyncDispose]() {
			const all = [current, ...retired];
			retired.clear();
			await Promise.all(all.map(({ transport }) => transport[Symbol.asyncDispose]()));
		},
	};
}

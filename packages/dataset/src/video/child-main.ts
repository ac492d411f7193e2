// What every child process of this package does besides its work: it ends when asked to, and with its parent.

/** Message that asks a child to end (a disconnect by the parent would suppress its "close" event on Node 20). */
export const CLOSE_MESSAGE = "close";

/** Calls `onRequest` with each message until the parent asks to end or is gone. */
export function serveParent(onRequest: (request: unknown) => void): void {
	process.on("message", (message: unknown) => {
		if (message === CLOSE_MESSAGE) process.exit(0);
		onRequest(message);
	});
	process.on("disconnect", () => process.exit(0));
}

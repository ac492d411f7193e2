// What an open page is told while it is open: all that it shows, whenever something of it has changed.
import type { SitePageView } from "@zk0/dashboard/views";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { StreamMessage } from "../http/route.ts";

/** Time between two looks: an update is at a page well within a second. */
const LOOK_MS = 300;

/** The messages until the signal aborts; `problem` says why there is nothing to show, until there is. */
export async function* streamPage(
	view: () => Promise<SitePageView>,
	signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
	let last = "";
	while (!signal.aborted) {
		const message = await view().then((data) => ({ event: "site", data }), problemOf);
		const text = JSON.stringify(message);
		if (text !== last) yield message;
		last = text;
		await pause(signal);
	}
}

/** What has a code is a mishap that the page tells, such as a damaged file; anything else is a fault of ours. */
function problemOf(error: unknown): StreamMessage {
	if (!(error instanceof Error) || codeOf(error) === undefined) throw error;
	const cure = error instanceof CliError ? error.cure : undefined;
	return { event: "problem", data: { message: error.message, cure } };
}

function pause(signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(done, LOOK_MS);
		function done(): void {
			clearTimeout(timer);
			signal.removeEventListener("abort", done);
			resolve();
		}
		signal.addEventListener("abort", done, { once: true });
	});
}

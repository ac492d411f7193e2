// What an open page is told while it is open: all that it shows, whenever something of it has changed.
import type { SitePageView } from "@zk0/dashboard/views";
import type { StreamMessage } from "../http/route.ts";

/** Time between two looks: an update is at a page well within a second. */
const LOOK_MS = 300;

/** The messages until the signal aborts. */
export async function* streamPage(
	view: () => Promise<SitePageView>,
	signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
	let last = "";
	while (!signal.aborted) {
		const data = await view();
		const text = JSON.stringify(data);
		if (text !== last) yield { event: "site", data };
		last = text;
		await pause(signal);
	}
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

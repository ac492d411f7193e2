// What a client's last words mean for its owner.
import type { ClientView } from "@zk0/dashboard/views";

/** How things are, in a word, a sentence and a colour. */
export interface ClientState {
	readonly word: string;
	readonly text: string;
	readonly tone: "plain" | "good" | "warn" | "bad" | "live";
}

/** Of a site that has joined. */
export function clientState({ pid, state, activity }: ClientView): ClientState {
	if (pid === null && state?.startsWith("ended:"))
		return { word: "ended", text: `The client ended by itself: ${after(state)}`, tone: "bad" };
	if (pid === null)
		return { word: "not running", text: "The client does not run; nothing happens here.", tone: "warn" };
	const task = activity?.task ?? null;
	if (task !== null)
		return {
			word: task.phase === "train" ? "training" : "evaluating",
			text: `${task.phase === "train" ? "Training in" : "Measuring the shared weights of"} round ${task.round}`,
			tone: "live",
		};
	if (state === null) return { word: "starting", text: "The client starts.", tone: "plain" };
	if (state.startsWith("waiting for approval"))
		return {
			word: "waiting for approval",
			text: "The operator of the server has to let this site in. Nothing to do here; it goes on by itself.",
			tone: "warn",
		};
	if (state.startsWith("trying to reach"))
		return {
			word: "reconnecting",
			text: `The server cannot be reached; the client goes on trying. ${after(state)}`,
			tone: "warn",
		};
	if (state.startsWith("paused")) return { word: "paused", text: after(state), tone: "plain" };
	if (state.startsWith("refused"))
		return { word: "refused", text: `The server refused: ${after(state)}`, tone: "bad" };
	if (state === "connecting") return { word: "connecting", text: "Connecting to the server.", tone: "plain" };
	return { word: "connected", text: "Connected; waiting for the next task of a run.", tone: "good" };
}

function after(state: string): string {
	return state.slice(state.indexOf(":") + 1).trim();
}

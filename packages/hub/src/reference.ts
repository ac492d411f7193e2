// `hf:<user>/<name>[@revision]`: how commands name a repository of the Hugging Face hub.
import { HubError } from "./errors.ts";

/** What begins every reference. */
const PREFIX = "hf:";
const REFERENCE = /^hf:([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w-][\w.-]*(?:\/[\w-][\w.-]*)*))?$/;

/** A repository at a revision. */
export interface HubReference {
	/** `<user>/<name>` */
	readonly repo: string;
	/** Branch, tag or commit; null where the reference names none. */
	readonly revision: string | null;
}

/** True for `hf:…`, well-formed or not. */
export function isHubReference(text: string): boolean {
	return text.startsWith(PREFIX);
}

/**
 * Parses a reference.
 * @throws HubError "bad-reference"
 * @example
 * parseHubReference("hf:lerobot/smolvla_base"); // { repo: "lerobot/smolvla_base", revision: null }
 */
export function parseHubReference(text: string): HubReference {
	const [, repo, revision = null] = REFERENCE.exec(text) ?? [];
	if (repo !== undefined) return { repo, revision };
	throw new HubError("bad-reference", `"${text}" is not hf:<user>/<name> or hf:<user>/<name>@<revision>`);
}

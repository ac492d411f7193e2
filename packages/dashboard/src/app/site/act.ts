// Asking for a change, with what came of it.
import { useState } from "preact/hooks";
import { z } from "zod";
import { change, wordsOf } from "../api.ts";
import { useSession } from "../session.ts";

/** A way to ask for changes. */
export interface Act {
	readonly isBusy: boolean;
	/** Why the last one was refused; null: it was not. */
	readonly failure: string | null;
	/** Asks; resolves to whether it was done. */
	readonly ask: (path: string, body?: unknown) => Promise<boolean>;
}

/** Asks the page's own process. */
export function useAct(): Act {
	const { csrfToken } = useSession();
	const [isBusy, setBusy] = useState(false);
	const [failure, setFailure] = useState<string | null>(null);
	return {
		isBusy,
		failure,
		async ask(path, body = {}) {
			setBusy(true);
			setFailure(null);
			try {
				await change("POST", path, { body, csrfToken, schema: z.unknown() });
				return true;
			} catch (error) {
				setFailure(inPlainWords(wordsOf(error)));
				return false;
			} finally {
				setBusy(false);
			}
		},
	};
}

/** Without the code in brackets that logs want. */
export function inPlainWords(message: string): string {
	return message.replace(/^\[[\w-]+\] /, "");
}

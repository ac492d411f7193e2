// Starts an app: signs in with the code of a link, or with the session that the browser has, or asks.
import type { SessionView } from "@zk0/dashboard/views";
import { type ComponentChildren, type FunctionComponent, render } from "preact";
import { useCallback, useState } from "preact/hooks";
import { ApiError } from "./api.ts";
import { SignIn } from "./pages/sign-in.tsx";
import { readSession, SessionContext, SignedOutContext, signIn } from "./session.ts";
import { startTheme } from "./theme.ts";

/** What an app is made of. */
export interface AppParts {
	/** Everything that somebody sees who has signed in. */
	readonly Shell: FunctionComponent;
	/** Where a link comes from, for somebody who has none. */
	readonly hint: ComponentChildren;
}

/** Draws the app into the page. */
export async function startApp({ Shell, hint }: AppParts): Promise<void> {
	startTheme();
	// A link that is put into the address of an open page does not load it again by itself.
	addEventListener("hashchange", () => {
		if (location.hash.startsWith("#code=")) location.reload();
	});
	const root = document.getElementById("app");
	if (root === null) return;
	const first = await begin();
	const App = () => {
		const [{ session, problem }, setState] = useState(first);
		const end = useCallback(() => setState(NOBODY), []);
		if (session === null)
			return (
				<SignIn
					problem={problem}
					hint={hint}
					onDone={(opened) => setState({ session: opened, problem: null })}
				/>
			);
		return (
			<SignedOutContext.Provider value={end}>
				<SessionContext.Provider value={session}>
					<Shell />
				</SessionContext.Provider>
			</SignedOutContext.Provider>
		);
	};
	render(<App />, root);
}

interface Beginning {
	readonly session: SessionView | null;
	/** Why a link did not sign in. */
	readonly problem: string | null;
}

const NOBODY: Beginning = { session: null, problem: null };

async function begin(): Promise<Beginning> {
	const code = new URLSearchParams(location.hash.slice(1)).get("code");
	// The code must not stay in the address, where somebody could copy or bookmark it.
	if (code !== null) history.replaceState(null, "", location.pathname + location.search);
	try {
		return { session: code === null ? await readSession() : await signIn(code), problem: null };
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		// A used link in a browser that is signed in already.
		const session = code === null ? null : await readSession().catch(() => null);
		return { session, problem: code === null ? null : error.message };
	}
}

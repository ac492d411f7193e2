// Signing in with a code from the server's machine or a person's token.
import type { SessionView } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { Failure } from "../parts/card.tsx";
import { signIn } from "../session.ts";

/** The page; `problem` says why a link did not work. */
export function SignIn({
	problem,
	onDone,
}: {
	readonly problem: string | null;
	readonly onDone: (session: SessionView) => void;
}) {
	const [secret, setSecret] = useState("");
	const [failure, setFailure] = useState(problem);
	const send = (event: Event): void => {
		event.preventDefault();
		signIn(secret.trim())
			.then(onDone)
			.catch((error: unknown) => setFailure(error instanceof Error ? error.message : String(error)));
	};
	return (
		<main class="sign-in">
			<form class="card" onSubmit={send}>
				<h1>
					<span class="mark" aria-hidden="true" />
					zk0
				</h1>
				<p>
					On the server's machine, <code>zk0 server dashboard</code> prints a link that opens this page signed
					in. Were you given a token? Put it here.
				</p>
				<label>
					Code or token
					<input
						type="password"
						name="token"
						autocomplete="current-password"
						required
						value={secret}
						onInput={(event) => setSecret(event.currentTarget.value)}
					/>
				</label>
				{failure !== null && <Failure text={failure} />}
				<button type="submit" class="primary">
					Sign in
				</button>
			</form>
		</main>
	);
}

// Signing in with the code of a link or a person's token.
import type { SessionView } from "@zk0/dashboard/views";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { wordsOf } from "../api.ts";
import { Failure } from "../parts/card.tsx";
import { signIn } from "../session.ts";

/** The page; `problem` says why a link did not work, `hint` where a link comes from. */
export function SignIn({
	problem,
	hint,
	onDone,
}: {
	readonly problem: string | null;
	readonly hint: ComponentChildren;
	readonly onDone: (session: SessionView) => void;
}) {
	const [secret, setSecret] = useState("");
	const [failure, setFailure] = useState(problem);
	const send = (event: Event): void => {
		event.preventDefault();
		signIn(secret.trim())
			.then(onDone)
			.catch((error: unknown) => setFailure(wordsOf(error)));
	};
	return (
		<main class="sign-in">
			<form class="card" onSubmit={send}>
				<h1>
					<span class="mark" aria-hidden="true" />
					zk0
				</h1>
				<p>{hint}</p>
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

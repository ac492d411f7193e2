// Step 1: the operator's line, and whether the server behind it is the one that invited.
import type { JoinView } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { Badge, Card, Failure } from "../../parts/card.tsx";
import { useAct } from "../act.ts";
import { JobState, Onward } from "./parts.tsx";

/** The step. */
export function InvitationStep({ join: { invitation } }: { readonly join: JoinView }) {
	const { ask, isBusy, failure } = useAct();
	const [line, setLine] = useState("");
	const send = (event: Event): void => {
		event.preventDefault();
		// The line is a secret: it does not stay on the screen.
		void ask("/join/invitation", { line }).then((isTaken) => isTaken && setLine(""));
	};
	const isTrusted = invitation?.job.state === "done";
	return (
		<Card title="1. The invitation" aside={isTrusted ? <Badge tone="good">server found</Badge> : undefined}>
			<p>
				The operator of the federation sent you a line that begins with <code>zk0://</code>. It works once.
			</p>
			<form class="step-form" onSubmit={send}>
				<label for="invitation">Invitation</label>
				<div class="one-field">
					<input
						id="invitation"
						class="wide"
						required
						autocomplete="off"
						spellcheck={false}
						placeholder={invitation === null ? "zk0://…" : "paste another one"}
						value={line}
						onInput={(event) => setLine(event.currentTarget.value)}
					/>
					<button type="submit" class={invitation === null ? "primary" : ""} disabled={isBusy}>
						Look at it
					</button>
				</div>
			</form>
			{failure !== null && <Failure text={failure} />}
			{invitation !== null && (
				<>
					<dl class="facts spaced">
						<div>
							<dt>Server</dt>
							<dd>
								<code>{invitation.address}</code>
							</dd>
						</div>
						<div>
							<dt>Proves itself by</dt>
							<dd>
								{invitation.trust === "pinned" && (
									<span>
										its own authority; the connection is encrypted and goes to nobody else. Fingerprint:{" "}
										<code>{invitation.fingerprint}</code>
									</span>
								)}
								{invitation.trust === "system" &&
									"a public certificate, as web sites do; the connection is encrypted"}
								{invitation.trust === "plaintext" && "nothing: not encrypted, for trials on one machine only"}
							</dd>
						</div>
						{invitation.invitedAs !== null && (
							<div>
								<dt>This site is called</dt>
								<dd>
									<strong>{invitation.invitedAs}</strong>
								</dd>
							</div>
						)}
					</dl>
					{invitation.invitedAs === null && <SiteName name={invitation.site} />}
					<JobState job={invitation.job} doing="Looking at the server" />
				</>
			)}
			<Onward to="recordings" isDone={isTrusted && invitation.site !== null} />
		</Card>
	);
}

function SiteName({ name }: { readonly name: string | null }) {
	const { ask, isBusy, failure } = useAct();
	const [wanted, setWanted] = useState(name ?? "");
	const send = (event: Event): void => {
		event.preventDefault();
		void ask("/join/name", { name: wanted });
	};
	return (
		<form class="step-form" onSubmit={send}>
			<label for="site-name">A name for this site, as the others will see it</label>
			<div class="one-field">
				<input
					id="site-name"
					required
					maxLength={63}
					pattern="[A-Za-z0-9._\-]+"
					title="letters, digits, '.', '_' or '-'"
					value={wanted}
					onInput={(event) => setWanted(event.currentTarget.value)}
				/>
				<button type="submit" disabled={isBusy || wanted === name}>
					{wanted === name ? "Taken" : "Take it"}
				</button>
			</div>
			{failure !== null && <Failure text={failure} />}
		</form>
	);
}

// Step 2: which recordings. Those on this machine are listed; any other is named.
import { type FoundDatasets, foundDatasetsSchema, type JoinView } from "@zk0/dashboard/views";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { formatCount } from "../../format.ts";
import { setQuery, usePlace } from "../../location.ts";
import { Badge, Card, Empty, Failure } from "../../parts/card.tsx";
import { Table } from "../../parts/table.tsx";
import { useRead } from "../../use-read.ts";
import { useAct } from "../act.ts";
import { JobState, Onward } from "./parts.tsx";

/** The step. */
export function RecordingsStep({ join: { data } }: { readonly join: JoinView }) {
	const { ask, isBusy, failure } = useAct();
	const [uri, setUri] = useState("");
	const choose = (wanted: string): void => void ask("/join/data", { uri: wanted });
	return (
		<Card
			title="2. The recordings"
			aside={data?.job.state === "done" ? <Badge tone="good">opened</Badge> : undefined}
		>
			<p>They stay on this machine, and so do the statistics of the joints. Only trained weights travel.</p>
			<Found chosen={data?.uri ?? null} isBusy={isBusy} onChoose={choose} />
			<form
				class="step-form"
				onSubmit={(event) => {
					event.preventDefault();
					choose(uri);
				}}
			>
				<label for="uri">Or name them</label>
				<div class="one-field">
					<input
						id="uri"
						class="wide"
						required
						autocomplete="off"
						spellcheck={false}
						placeholder="a folder, hf:user/name, or sim:site-a for a simulated arm"
						value={uri}
						onInput={(event) => setUri(event.currentTarget.value)}
					/>
					<button type="submit" disabled={isBusy}>
						Open
					</button>
				</div>
			</form>
			{failure !== null && <Failure text={failure} />}
			{data !== null && (
				<section class="chosen" aria-label="Chosen recordings">
					<p>
						<strong>{data.uri}</strong>
					</p>
					<JobState job={data.job} doing="Opening the recordings" />
					{data.facts !== null && (
						<>
							<Facts facts={data.facts} />
							<p class="quiet">
								To look at them, episode by episode: <code>zk0 data view {quoted(data.uri)}</code>
							</p>
						</>
					)}
				</section>
			)}
			<Onward to="cameras" isDone={data?.job.state === "done"} />
		</Card>
	);
}

/** As a shell needs it. */
function quoted(word: string): string {
	return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Tasks that are named. */
const NUM_TASKS = 3;

function Facts({ facts }: { readonly facts: NonNullable<NonNullable<JoinView["data"]>["facts"]> }) {
	const more = facts.tasks.length > NUM_TASKS ? "…" : null;
	// Each in its own direction of writing.
	const tasks = facts.tasks.slice(0, NUM_TASKS).flatMap((task) => [<bdi key={task}>{task}</bdi>, "·"]);
	const rows: readonly (readonly [string, ComponentChildren])[] = [
		["Robot", facts.robotType ?? "not recorded"],
		["Episodes", formatCount(facts.numEpisodes)],
		["Frames", `${formatCount(facts.numFrames)}, ${facts.fps} a second`],
		["Cameras", String(facts.cameras.length)],
		["Tasks", more === null ? tasks.slice(0, -1) : [...tasks, more]],
	];
	return (
		<dl class="facts inline">
			{rows.map(([name, value]) => (
				<div key={name}>
					<dt>{name}</dt>
					<dd>{value}</dd>
				</div>
			))}
		</dl>
	);
}

function Found({
	chosen,
	isBusy,
	onChoose,
}: {
	readonly chosen: string | null;
	readonly isBusy: boolean;
	readonly onChoose: (path: string) => void;
}) {
	const folder = usePlace().query.get("folder");
	const path = `/datasets${folder === null ? "" : `?in=${encodeURIComponent(folder)}`}`;
	const { data, error } = useRead(path, foundDatasetsSchema);
	return (
		<section aria-label="Recordings on this machine">
			<Folder folder={folder} found={data} />
			{error !== null && <Failure text={error} />}
			{data === null && error === null && <Empty>Looking for recordings…</Empty>}
			{data?.datasets.length === 0 && <Empty>No LeRobot recordings were found there</Empty>}
			{data !== null && data.datasets.length > 0 && (
				<Table
					label="Recordings on this machine"
					rows={data.datasets}
					limit={8}
					keyOf={(row) => row.path}
					columns={[
						{
							name: "Folder",
							cell: (row) => <span title={row.path}>{row.name}</span>,
							sortBy: (row) => row.name,
						},
						{ name: "Robot", cell: (row) => row.robotType ?? "–" },
						{ name: "Episodes", isNumber: true, cell: (row) => formatCount(row.numEpisodes) },
						{ name: "Frames", isNumber: true, cell: (row) => formatCount(row.numFrames) },
						{
							name: "Choose",
							cell: (row) => (
								<button
									type="button"
									disabled={isBusy}
									aria-pressed={row.path === chosen}
									onClick={() => onChoose(row.path)}
								>
									{row.path === chosen ? "Chosen" : "Choose"}
									<span class="unseen"> {row.name}</span>
								</button>
							),
						},
					]}
				/>
			)}
			{data?.isComplete === false && (
				<p class="quiet">There are too many folders to look into all of them: name one to look in.</p>
			)}
		</section>
	);
}

function Folder({ folder, found }: { readonly folder: string | null; readonly found: FoundDatasets | null }) {
	const [text, setText] = useState(folder ?? "");
	return (
		<form
			class="step-form"
			onSubmit={(event) => {
				event.preventDefault();
				setQuery("folder", text.trim() === "" ? null : text.trim());
			}}
		>
			<label for="folder">Look in</label>
			<div class="one-field">
				<input
					id="folder"
					class="wide"
					spellcheck={false}
					placeholder={found?.folders.join(" and ") ?? ""}
					value={text}
					onInput={(event) => setText(event.currentTarget.value)}
				/>
				<button type="submit">Look</button>
			</div>
		</form>
	);
}

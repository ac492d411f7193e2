// The checkpoints on the server: where each came from, how good it is, its card and its files.
import { type ModelView, modelViewSchema } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { z } from "zod";
import { readText, wordsOf } from "../api.ts";
import { formatBytes, formatChange, formatLoss, formatPercent, formatTime, shortHash } from "../format.ts";
import { useLive } from "../live.ts";
import { pathOf, setQuery, usePlace } from "../location.ts";
import { Badge, Card, Empty, Failure } from "../parts/card.tsx";
import { Link } from "../parts/link.tsx";
import { useRead } from "../use-read.ts";

const modelsSchema = z.object({ models: z.array(modelViewSchema) });

/** The page. */
export function Models() {
	const { status } = useLive();
	const { query } = usePlace();
	const key = status?.runs.map(({ runId, state, round }) => `${runId} ${state} ${round}`).join();
	const { data, error } = useRead("/models", modelsSchema, key);
	if (error !== null) return <Failure text={error} />;
	if (data === null) return <Empty>Loading…</Empty>;
	const runs = [...new Set(data.models.map(({ runId }) => runId))];
	const shown = query.get("run");
	return (
		<>
			<header class="page-head">
				<h1>Models</h1>
				{runs.length > 1 && (
					<label class="pick">
						Run{" "}
						<select
							value={shown ?? ""}
							onChange={(event) => setQuery("run", event.currentTarget.value || null)}
						>
							<option value="">all</option>
							{runs.map((runId) => (
								<option key={runId} value={runId}>
									{runId}
								</option>
							))}
						</select>
					</label>
				)}
			</header>
			{runs.length === 0 && <Empty>No checkpoint yet: the first is written after round 1</Empty>}
			{runs
				.filter((runId) => shown === null || runId === shown)
				.map((runId) => (
					<Lineage key={runId} runId={runId} models={data.models.filter((model) => model.runId === runId)} />
				))}
		</>
	);
}

/** Checkpoints of a run that are listed until more are asked for. */
const NUM_LISTED = 20;

/** A run's checkpoints from the newest back to what it started from. */
function Lineage({ runId, models }: { readonly runId: string; readonly models: readonly ModelView[] }) {
	const [numShown, setShown] = useState(NUM_LISTED);
	const losses = models.flatMap(({ loss }) => loss ?? []);
	const best = losses.length === 0 ? null : Math.min(...losses);
	const base = models.find(({ round }) => round === 0)?.loss ?? null;
	const numMore = models.length - numShown;
	const [newest] = models;
	return (
		<Card title={runId} span={3} aside={<Link to={pathOf("runs", runId)}>open run</Link>}>
			<ol class="lineage">
				{models.slice(0, numShown).map((model, index) => (
					<li key={model.round}>
						<div class="model-head">
							<h3>{model.round === 0 ? "Start" : `Round ${model.round}`}</h3>
							{index === 0 && <Badge tone="live">latest</Badge>}
							{model.loss !== null && model.loss === best && <Badge tone="good">best loss</Badge>}
							<span class="quiet">{formatTime(model.createdAt)}</span>
						</div>
						<Facts model={model} base={base} />
						<ModelCard model={model} />
						<Files model={model} />
					</li>
				))}
				{newest !== undefined && <Origin model={newest} />}
			</ol>
			{numMore > 0 && (
				<button type="button" class="more" onClick={() => setShown(numShown + NUM_LISTED)}>
					Show older ({numMore} left)
				</button>
			)}
		</Card>
	);
}

/** Starts that have a name of zk0's own. */
const ORIGINS: Readonly<Record<string, string>> = {
	random: "random weights",
	bundled: "the model that comes with zk0",
};

/** What all of them began with. */
function Origin({ model: { startedFrom, continues } }: { readonly model: ModelView }) {
	return (
		<li class="origin">
			<p class="quiet">
				Started from {ORIGINS[startedFrom] ?? startedFrom}
				{continues !== null && (
					<>
						: the weights of{" "}
						<Link to={pathOf("runs", continues.runId, "rounds", continues.round)}>
							{continues.runId}, round {continues.round}
						</Link>
					</>
				)}
			</p>
		</li>
	);
}

/** Sites that are named. */
const NUM_NAMED = 8;

function Facts({ model, base }: { readonly model: ModelView; readonly base: number | null }) {
	const named = model.sites.slice(0, NUM_NAMED).map(({ site, weight }) => `${site} ${formatPercent(weight)}`);
	const others = model.sites.length - named.length;
	return (
		<dl class="facts inline">
			<div>
				<dt>Loss</dt>
				<dd>
					{formatLoss(model.loss)}{" "}
					{model.round > 0 && <span class="quiet">{formatChange(base, model.loss)}</span>}
				</dd>
			</div>
			<div>
				<dt>Made of</dt>
				<dd>
					{model.round === 0
						? (ORIGINS[model.startedFrom] ?? model.startedFrom)
						: `${named.join(", ") || "–"}${others > 0 ? ` and ${others} more` : ""}`}
				</dd>
			</div>
			<div>
				<dt>SHA-256</dt>
				<dd>
					<code title={model.weightsSha256 ?? undefined}>{shortHash(model.weightsSha256)}</code>
				</dd>
			</div>
		</dl>
	);
}

/** The card that `zk0 push` would upload, read when somebody opens it. */
function ModelCard({ model: { runId, round } }: { readonly model: ModelView }) {
	const [card, setCard] = useState<{ readonly text: string | null; readonly error: string | null }>({
		text: null,
		error: null,
	});
	const path = `${pathOf("models", runId, round)}/card`;
	const load = (): void => {
		if (card.text !== null) return;
		readText(path)
			.then((text) => setCard({ text, error: null }))
			.catch((error: unknown) => setCard({ text: null, error: wordsOf(error) }));
	};
	return (
		<details onToggle={(event) => event.currentTarget.open && load()}>
			<summary>Model card</summary>
			{card.error !== null && <Failure text={card.error} />}
			{card.text === null ? (
				card.error === null && <Empty>Checking the run's log…</Empty>
			) : (
				<>
					<pre class="document" tabIndex={0} role="region" aria-label={`Model card of round ${round}`}>
						{card.text}
					</pre>
					<a href={`/api${path}`} download="README.md">
						README.md
					</a>{" "}
					<span class="quiet">
						as <code>zk0 push</code> uploads it; generated from the run's record alone
					</span>
				</>
			)}
		</details>
	);
}

function Files({ model: { runId, round, files } }: { readonly model: ModelView }) {
	const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
	return (
		<details>
			<summary>
				Download ({files.length} files, {formatBytes(sizeBytes)})
			</summary>
			<ul class="files">
				{files.map((file) => (
					<li key={file.name}>
						<a href={`/api${pathOf("models", runId, round, file.name)}`} download={file.name}>
							{file.name}
						</a>{" "}
						<span class="quiet">{formatBytes(file.sizeBytes)}</span>
					</li>
				))}
			</ul>
			<p class="quiet">
				A global checkpoint belongs to no robot: bind it to a site's recordings with{" "}
				<code>zk0 model bind</code>.
			</p>
		</details>
	);
}

// The checkpoints on the server: where each came from, how good it is, and its files.
import { type ModelView, modelViewSchema } from "@zk0/dashboard/views";
import { z } from "zod";
import { formatBytes, formatChange, formatLoss, formatPercent, formatTime, shortHash } from "../format.ts";
import { useLive, useRead } from "../live.ts";
import { pathOf, setQuery, usePlace } from "../location.ts";
import { Badge, Card, Empty, Failure } from "../parts/card.tsx";
import { Link } from "../parts/link.tsx";

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

/** A run's checkpoints from the newest back to what it started from. */
function Lineage({ runId, models }: { readonly runId: string; readonly models: readonly ModelView[] }) {
	const losses = models.flatMap(({ loss }) => loss ?? []);
	const best = losses.length === 0 ? null : Math.min(...losses);
	const base = models.find(({ round }) => round === 0)?.loss ?? null;
	return (
		<Card title={runId} span={3} aside={<Link to={pathOf("runs", runId)}>open run</Link>}>
			<ol class="lineage">
				{models.map((model, index) => (
					<li key={model.round}>
						<div class="model-head">
							<h3>{model.round === 0 ? "Start" : `Round ${model.round}`}</h3>
							{index === 0 && <Badge tone="live">latest</Badge>}
							{model.loss !== null && model.loss === best && <Badge tone="good">best loss</Badge>}
							<span class="quiet">{formatTime(model.createdAt)}</span>
						</div>
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
										? model.startedFrom
										: model.sites.map(({ site, weight }) => `${site} ${formatPercent(weight)}`).join(", ") ||
											"–"}
								</dd>
							</div>
							<div>
								<dt>SHA-256</dt>
								<dd>
									<code title={model.weightsSha256 ?? undefined}>{shortHash(model.weightsSha256)}</code>
								</dd>
							</div>
						</dl>
						<details>
							<summary>
								Download ({model.files.length} files,{" "}
								{formatBytes(model.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))})
							</summary>
							<ul class="files">
								{model.files.map(({ name, sizeBytes }) => (
									<li key={name}>
										<a href={`/api${pathOf("models", runId, model.round, name)}`} download={name}>
											{name}
										</a>{" "}
										<span class="quiet">{formatBytes(sizeBytes)}</span>
									</li>
								))}
							</ul>
							<p class="quiet">
								A global checkpoint belongs to no robot: bind it to a site's recordings with{" "}
								<code>zk0 model bind</code>.
							</p>
						</details>
					</li>
				))}
			</ol>
		</Card>
	);
}

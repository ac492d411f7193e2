// One site over all rounds of a run: a column of numbers per measurement. The server keeps these for every site; a browser
// asks for one site's.
import type { RoundEvent } from "@zk0/federation/events";
import { z } from "zod";
import { type Folds, fold } from "./fold.ts";
import { incidentOf, incidentSchema } from "./incident.ts";

const column = z.array(z.number().nullable());

/** Schema of {@link SiteHistory}. */
export const siteHistorySchema = z.object({
	site: z.string(),
	/** What the site told about itself when it last joined. */
	details: z.record(z.string(), z.unknown()),
	numSamples: z.int().nullable(),
	/** Held-out loss here of each round's global weights; the index is the round. */
	loss: column,
	weight: column,
	/** Measurements of training and of held-out data by name. */
	training: z.record(z.string(), column),
	heldOut: z.record(z.string(), column),
	updateBytes: column,
	incidents: z.array(incidentSchema),
});

/** A site over the rounds. */
export type SiteHistory = z.infer<typeof siteHistorySchema>;

/** The histories of a run's sites, by name. */
export type SiteHistories = Map<string, SiteHistory>;

const MAX_INCIDENTS = 50;

/** Adds an event; `histories` is changed in place. */
export function foldSites(histories: SiteHistories, event: RoundEvent): void {
	fold(FOLDS, histories, event);
	const incident = incidentOf(event);
	if (incident?.site == null) return;
	const { incidents } = historyOf(histories, incident.site);
	incidents.push(incident);
	if (incidents.length > MAX_INCIDENTS) incidents.shift();
}

const FOLDS: Folds<SiteHistories> = {
	"site.joined": (histories, { site, numSamples, details }) => {
		Object.assign(historyOf(histories, site), { numSamples, details });
	},
	"update.received": (histories, { site, round, metrics, sizeBytes }) => {
		const history = historyOf(histories, site);
		setAt(history.updateBytes, round, sizeBytes);
		setAll(history.training, round, metrics);
	},
	"round.accepted": (histories, { round, updates }) => {
		for (const { site, weight } of updates) setAt(historyOf(histories, site).weight, round, weight);
	},
	"site.evaluated": (histories, { site, round, loss, metrics }) => {
		const history = historyOf(histories, site);
		setAt(history.loss, round, loss);
		setAll(history.heldOut, round, metrics);
	},
};

function historyOf(histories: SiteHistories, site: string): SiteHistory {
	const found = histories.get(site);
	if (found !== undefined) return found;
	const history: SiteHistory = {
		site,
		details: {},
		numSamples: null,
		loss: [],
		weight: [],
		training: {},
		heldOut: {},
		updateBytes: [],
		incidents: [],
	};
	histories.set(site, history);
	return history;
}

function setAll(
	columns: Record<string, (number | null)[]>,
	round: number,
	values: Readonly<Record<string, number | null>>,
): void {
	for (const [name, value] of Object.entries(values)) {
		columns[name] ??= [];
		setAt(columns[name], round, value);
	}
}

function setAt(values: (number | null)[], round: number, value: number | null): void {
	while (values.length < round) values.push(null);
	values[round] = value;
}

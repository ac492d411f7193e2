// What server and browser agree on: views of a run, and how events change them.
export {
	type EpisodeView,
	episodeViewSchema,
	type PredictionProgress,
	type PredictionState,
	type PredictionView,
	predictionProgressSchema,
	predictionStateSchema,
	predictionViewSchema,
	type RecordingsView,
	recordingsViewSchema,
} from "./episode-view.ts";
export { type Incident, incidentOf } from "./incident.ts";
export {
	type CamerasView,
	cameraPicturesSchema,
	type FindingView,
	type FoundDatasets,
	foundDatasetsSchema,
	type JobView,
	type JoinView,
} from "./join-view.ts";
export { type RoundPart, type RoundView, roundViewSchema, type Similarity, viewRound } from "./round-view.ts";
export {
	asServed,
	emptyRunView,
	foldRun,
	type RoundRow,
	type RunView,
	runViewSchema,
	type SiteRow,
} from "./run-view.ts";
export {
	type AuditEntry,
	auditEntrySchema,
	type InvitationView,
	invitationViewSchema,
	type MemberView,
	type ModelView,
	memberViewSchema,
	modelViewSchema,
	type RunLine,
	type RunSettings,
	runLineSchema,
	runSettingsSchema,
	type SessionView,
	sessionViewSchema,
	type UserView,
	userViewSchema,
} from "./server-view.ts";
export { foldSites, type SiteHistories, type SiteHistory, siteHistorySchema } from "./site-history.ts";
export {
	type ClientActivity,
	type ClientRound,
	type ClientTask,
	type ClientView,
	clientActivitySchema,
	type SitePageView,
	sitePageViewSchema,
} from "./site-page.ts";
export type { Spread } from "./spread.ts";
export {
	badgeIn,
	badgeWords,
	type ServerStatus,
	type SiteStatus,
	serverStatusSchema,
} from "./status.ts";
export type { Timeline, TimelineTask } from "./timeline.ts";

// Public names of @zk0/hub.
export { HubError, type HubErrorCode } from "./errors.ts";
export { type Push, type PushContext, type Pushed, type PushFile, pushFiles } from "./push.ts";
export { type HubReference, isHubReference, parseHubReference } from "./reference.ts";
export type { HubContext } from "./request.ts";
export { type Environment, type HubSettings, hubSettings, type RepoKind } from "./settings.ts";
export {
	type DownloadProgress,
	type FileChoice,
	fetchModel,
	openSnapshot,
	type Snapshot,
	type SnapshotContext,
	type SnapshotSource,
} from "./snapshot.ts";

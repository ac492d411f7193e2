// Public names of @zk0/hub.
export { HubError, type HubErrorCode } from "./errors.ts";
export { type HubReference, isHubReference, parseHubReference } from "./reference.ts";
export { type Environment, type HubSettings, hubSettings } from "./settings.ts";
export { fetchSnapshot, type SnapshotOptions } from "./snapshot.ts";

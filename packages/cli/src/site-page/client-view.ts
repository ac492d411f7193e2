// How a site's client is doing, from the files that it writes: the page needs no word with its process.
import { type ClientView, clientActivitySchema } from "@zk0/dashboard/views";
import { clientDaemon } from "../network/client-daemon.ts";
import { clientStatusSchema } from "../network/client-status.ts";
import { runningPid } from "../network/daemon.ts";
import type { ClientHome } from "../network/home.ts";
import { readJsonFile } from "../network/private-file.ts";
import { clientSettingsSchema } from "../network/site-identity.ts";

/** The client of `home`, now. @throws CliError "state-damaged" */
export async function viewClient(home: ClientHome): Promise<ClientView> {
	const settings = await readJsonFile(home.settings, clientSettingsSchema);
	const pid = (await runningPid(clientDaemon(home))) ?? null;
	const status = await readJsonFile(home.status, clientStatusSchema);
	const activity = (await readJsonFile(home.activity, clientActivitySchema)) ?? null;
	if (settings === undefined) return { joined: null, pid, state: null, since: null, activity: null };
	const { site, data, authority, threads, hours } = settings;
	const server = `${settings.host}:${settings.port}`;
	// A process that starts has said nothing yet: what stands there are the words of the one before.
	const isOwn = status?.server === server && (pid === null || status.pid === pid);
	return {
		joined: { site, server, data, isEncrypted: authority !== null, threads, hours },
		pid,
		state: isOwn ? status.state : null,
		since: isOwn ? status.at : null,
		// A process that was killed cannot take its task away.
		activity: activity?.server !== server ? null : pid === null ? { ...activity, task: null } : activity,
	};
}

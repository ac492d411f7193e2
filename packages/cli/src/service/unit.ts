// systemd units for a server or a client, as text: restarted when it fails, stopped in time, and shut off from what it does not
// need. Written for systemd 249 and later. docs/operations.md says which fences are left out and why.

/** Whose systemd runs it. */
export type ServiceScope = "user" | "system";

/** What runs as a service. */
export type ServiceRole = "server" | "client";

/** What a unit is made of. */
export interface UnitOptions {
	readonly role: ServiceRole;
	readonly scope: ServiceScope;
	/** Absolute paths of node and of zk0's main file. */
	readonly command: readonly [node: string, main: string];
	/** Absolute path of the state folder. */
	readonly state: string;
}

/** The unit's name. */
export function unitName(role: ServiceRole): string {
	return `zk0-${role}.service`;
}

/** Where a system service keeps its state: systemd makes the folder for the service's own user. */
export function systemState(role: ServiceRole): string {
	return `/var/lib/zk0-${role}`;
}

/** The unit's text. @throws RangeError for a path that a unit cannot hold */
export function unitText({ role, scope, command, state }: UnitOptions): string {
	const words = [...command, role, "start", "--foreground", "--log", "json", "--state", state];
	const sections = [
		["Unit", unitSection(role)],
		["Service", [...processLines(words), ...seccompLines(), ...(scope === "system" ? fenceLines(role) : [])]],
		["Install", [`WantedBy=${scope === "system" ? "multi-user" : "default"}.target`]],
	] as const;
	const note = `# Written by \`zk0 service install ${role}\`; \`zk0 service uninstall ${role}\` takes it away.`;
	return `${[note, ...sections.map(([name, lines]) => [`[${name}]`, ...lines].join("\n"))].join("\n\n")}\n`;
}

function unitSection(role: ServiceRole): string[] {
	return [
		`Description=zk0 federation ${role}`,
		"Wants=network-online.target",
		"After=network-online.target",
		// A server that cannot start is tried for an hour; a crash after a day begins anew.
		"StartLimitIntervalSec=3600",
		"StartLimitBurst=100",
	];
}

function processLines(words: readonly string[]): string[] {
	return [
		"Type=exec",
		`ExecStart=${words.map(quoted).join(" ")}`,
		"Restart=on-failure",
		"RestartSec=5",
		// Exit codes of a wrong command line, a wrong configuration and a revoked or missing key: trying again cannot help.
		"RestartPreventExitStatus=2 3",
		"SuccessExitStatus=130",
		"TimeoutStopSec=90",
		"UMask=0077",
		"LimitNOFILE=65536",
		"LimitCORE=0",
		"TasksMax=1024",
		"OOMPolicy=stop",
	];
}

/** Works without privileges, so in user services, too. */
function seccompLines(): string[] {
	return [
		"NoNewPrivileges=yes",
		"LockPersonality=yes",
		"RestrictRealtime=yes",
		"RestrictSUIDSGID=yes",
		"RestrictNamespaces=yes",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
		"SystemCallArchitectures=native",
		"SystemCallFilter=@system-service",
		"SystemCallFilter=~@privileged @resources",
		"SystemCallErrorNumber=EPERM",
	];
}

function fenceLines(role: ServiceRole): string[] {
	return [
		"DynamicUser=yes",
		`StateDirectory=zk0-${role}`,
		"StateDirectoryMode=0700",
		`CacheDirectory=zk0-${role}`,
		`Environment=ZK0_CACHE_DIR=/var/cache/zk0-${role} HF_HOME=/var/cache/zk0-${role}/huggingface`,
		"CapabilityBoundingSet=",
		"AmbientCapabilities=",
		"ProtectSystem=strict",
		"ProtectHome=read-only",
		"ProtectProc=invisible",
		"ProtectClock=yes",
		"ProtectControlGroups=yes",
		"ProtectHostname=yes",
		"ProtectKernelLogs=yes",
		"ProtectKernelModules=yes",
		"ProtectKernelTunables=yes",
		"PrivateTmp=yes",
		"PrivateUsers=yes",
		"RemoveIPC=yes",
		// Clients may train on a GPU, whose devices lie in /dev.
		...(role === "server" ? ["PrivateDevices=yes", "DevicePolicy=closed"] : []),
	];
}

/** One word of a command line in a unit. */
function quoted(word: string): string {
	if (/[\n\r\0]/.test(word)) throw new RangeError(`unit: ${JSON.stringify(word)} holds a line break`);
	const escaped = word
		.replaceAll("\\", "\\\\")
		.replaceAll('"', '\\"')
		.replaceAll("%", "%%")
		.replaceAll("$", "$$$$");
	return /^[\w./:@+=-]+$/.test(word) ? word : `"${escaped}"`;
}

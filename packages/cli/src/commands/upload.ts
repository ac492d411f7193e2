// What both uploads to the hub share: their options, the repository that a word names, the dry run and the answer.
import { hubSettings, type PushFile, parseHubReference, pushFiles } from "@zk0/hub";
import { formatBytes } from "@zk0/records/format";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";

/** The positional of a repository to write. */
export const REPO_POSITIONAL = {
	name: "repo",
	summary: "where to: hf:<user>/<name>; created when it is not there",
} as const;

/** Who may see a new repository, and under what licence. */
export const PUSH_OPTIONS = {
	public: {
		kind: "switch",
		schema: z.boolean(),
		summary: "let everybody see a repository that this creates (default: private)",
	},
	license: {
		kind: "text",
		schema: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, "an identifier such as apache-2.0 or cc-by-4.0"),
		value: "<id>",
		summary: "license for the card, an identifier such as apache-2.0 (default: none is stated)",
	},
} satisfies OptionTable;

/** What is uploaded. */
export interface Upload {
	readonly kind: "model" | "dataset";
	readonly repo: string;
	readonly files: readonly PushFile[];
	/** Bytes of the files on disk. */
	readonly bytes: number;
	/** Of the commit. */
	readonly title: string;
	/** Tag for the commit; null: without. Absent: it is not a matter here. */
	readonly tag?: string | null;
	/** What a dry run shows of the card; absent: nothing. */
	readonly card?: string;
	/** What the answer says of where the files come from, before everything else. */
	readonly source: Readonly<Record<string, unknown>>;
}

/** The repository `<user>/<name>` that a word names. @throws CliError "bad-flag" for one with a revision; HubError */
export function parseTarget(word: string): string {
	const { repo, revision } = parseHubReference(word);
	if (revision === null) return repo;
	throw new CliError("bad-flag", `${word} names a revision; uploads go to the main branch`, {
		cure: `use hf:${repo}`,
	});
}

/** Uploads, or says what it would upload. @throws HubError */
export async function upload(
	{ kind, repo, files, bytes, title, tag, card, source }: Upload,
	how: { readonly public?: boolean | undefined; readonly dryRun?: boolean | undefined },
	{ host, output }: { readonly host: Host; readonly output: Output },
): Promise<void> {
	const isPrivate = how.public !== true;
	const visibility = isPrivate ? "private" : "public";
	const tagged = tag === undefined ? {} : { tag };
	const plan = { ...source, repo, files: files.length, bytes, ...tagged, visibility };
	const size = `${files.length} files, ${formatBytes(bytes)}`;
	if (how.dryRun === true) {
		const paths = files.map(({ path }) => path);
		const what = `${size}${tag === undefined ? "" : `, tag ${tag ?? "none"}`}, ${visibility} if new`;
		const shown = card === undefined ? [] : ["", card];
		output.result({ ...plan, dryRun: true, paths, ...(card === undefined ? {} : { card }) }, () =>
			[`would upload to ${repo}: ${what}`, ...paths.map((path) => `  ${path}`), ...shown].join("\n"),
		);
		return;
	}
	let numUploaded = 0;
	const pushed = await pushFiles(
		{ kind, repo, files, title, isPrivate, tag: tag ?? null },
		{
			settings: await hubSettings(host.env),
			signal: host.signal,
			onFile(path, state, fraction) {
				if (state === "uploading" && fraction === 1) output.line(`${++numUploaded}: ${path}`);
			},
		},
	);
	const commit = pushed.commit.slice(0, 8);
	const at = tag === undefined ? `(${commit})` : `at ${tag === null ? pushed.commit : `${tag} (${commit})`}`;
	output.result({ ...plan, ...pushed }, () => {
		const kept = pushed.isNew ? visibility : "was there; who sees it is unchanged";
		return `uploaded ${size}: ${pushed.url} ${at}, ${kept}`;
	});
}

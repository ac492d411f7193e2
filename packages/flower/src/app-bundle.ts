// Flower's app bundles (FAB): a zip of a Python app with its pyproject.toml and a manifest, named by the SHA-256 of its
// bytes. The server hands a run's bundle to Flower nodes and never runs it; it reads the names that nodes find it by.
import { createHash } from "node:crypto";
import { unzipSync, type Zippable, zipSync } from "fflate";
import { parse } from "smol-toml";
import { FlowerError } from "./errors.ts";
import { MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES, MAX_UNPACKED_BUNDLE_BYTES } from "./limits.ts";

/** An app bundle. */
export interface AppBundle {
	/** The zip. */
	readonly content: Uint8Array;
	/** SHA-256 of it, lower-case hex. */
	readonly hash: string;
	/** `<publisher>/<name>`. */
	readonly id: string;
	readonly version: string;
}

const CONFIG_FILE = "pyproject.toml";
const MANIFEST_FILE = ".info/CONTENT";
/** The date that Flower gives every entry, so that equal files make equal bundles (months count from 0). */
const ENTRY_DATE = new Date(2024, 9, 1);

/**
 * Reads a bundle and checks its manifest.
 * @throws FlowerError invalid-argument when Flower's nodes would refuse it; resource-exhausted when it is too large.
 */
export function readAppBundle(content: Uint8Array): AppBundle {
	if (content.length > MAX_BUNDLE_BYTES)
		throw new FlowerError(
			"resource-exhausted",
			`The app bundle has ${content.length} bytes; Flower takes at most ${MAX_BUNDLE_BYTES}.`,
		);
	const files = unpack(content);
	const config = files[CONFIG_FILE];
	const manifest = files[MANIFEST_FILE];
	if (config === undefined || manifest === undefined)
		throw invalid(
			`it has no ${config === undefined ? CONFIG_FILE : MANIFEST_FILE}; make it with \`flwr build\``,
		);
	for (const line of textOf(manifest).trim().split("\n")) {
		const [path = "", sha256] = line.split(",");
		const file = files[path];
		if (file === undefined || sha256Of(file) !== sha256)
			throw invalid(`${path} is not what its manifest says`);
	}
	return { content, hash: sha256Of(content), ...namesOf(textOf(config)) };
}

/**
 * Makes a bundle of an app's files by their paths with `/`; one of them is pyproject.toml. Equal files make equal bundles.
 * @throws FlowerError as `readAppBundle`
 */
export function packAppBundle(files: ReadonlyMap<string, Uint8Array>): AppBundle {
	const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
	const manifest = sorted.map(([path, bytes]) => `${path},${sha256Of(bytes)},${bytes.length * 8}`).join("\n");
	const entries: Zippable = {};
	for (const [path, bytes] of [...sorted, [MANIFEST_FILE, Buffer.from(manifest)] as const])
		entries[path] = [bytes, { mtime: ENTRY_DATE }];
	return readAppBundle(zipSync(entries));
}

function unpack(content: Uint8Array): Record<string, Uint8Array> {
	let numBytes = 0;
	let numFiles = 0;
	try {
		return unzipSync(content, {
			filter: ({ originalSize }) => {
				numBytes += originalSize;
				numFiles++;
				if (numBytes > MAX_UNPACKED_BUNDLE_BYTES || numFiles > MAX_BUNDLE_FILES)
					throw new FlowerError("resource-exhausted", "The app bundle unpacks to more than an app needs.");
				return true;
			},
		});
	} catch (caught) {
		if (caught instanceof FlowerError) throw caught;
		throw invalid("it is no zip file", caught);
	}
}

/** The names that pyproject.toml gives the app. */
function namesOf(text: string): Pick<AppBundle, "id" | "version"> {
	let config: unknown;
	try {
		config = parse(text);
	} catch (cause) {
		throw invalid(`${CONFIG_FILE} cannot be read`, cause);
	}
	const name = textAt(config, ["project", "name"]);
	const version = textAt(config, ["project", "version"]);
	const publisher = textAt(config, ["tool", "flwr", "app", "publisher"]);
	textAt(config, ["tool", "flwr", "app", "components", "clientapp"]);
	return { id: `${publisher}/${name}`, version };
}

function textAt(config: unknown, path: readonly string[]): string {
	let value = config;
	for (const key of path) {
		const entries: [string, unknown][] =
			typeof value === "object" && value !== null ? Object.entries(value) : [];
		value = entries.find(([name]) => name === key)?.[1];
	}
	if (typeof value !== "string" || value === "") throw invalid(`${CONFIG_FILE} has no ${path.join(".")}`);
	return value;
}

function textOf(bytes: Uint8Array): string {
	return new TextDecoder().decode(bytes);
}

function sha256Of(bytes: Uint8Array): string {
	return createHash("sha256").update(bytes).digest("hex");
}

function invalid(why: string, cause?: unknown): FlowerError {
	return new FlowerError("invalid-argument", `The app bundle cannot be used: ${why}.`, { cause });
}

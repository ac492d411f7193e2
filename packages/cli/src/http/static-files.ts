// The browser app's files, read and compressed once. Only what was found at the start can be asked for. Files under
// assets/ have a hash of their content in their names and may be kept for ever; index.html stands for every page.
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";

const TYPES: Readonly<Record<string, string>> = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	".json": "application/json",
};

/** A file as it is sent. */
export interface StaticFile {
	readonly type: string;
	readonly bytes: Buffer;
	readonly gzipped: Buffer;
	readonly isForEver: boolean;
}

/** The app's files by path. */
export interface StaticFiles {
	/** The file of a path; index.html for the path of a page. */
	find(path: string): StaticFile | undefined;
}

/** Reads the files under `dir`. */
export async function readStaticFiles(dir: string): Promise<StaticFiles> {
	const files = new Map<string, StaticFile>();
	const entries = await readdir(dir, { recursive: true, withFileTypes: true });
	for (const entry of entries) {
		const path = join(entry.parentPath, entry.name);
		const type = TYPES[extname(entry.name)];
		if (!entry.isFile() || type === undefined) continue;
		const bytes = await readFile(path);
		const name = `/${relative(dir, path).split(sep).join("/")}`;
		files.set(name, { type, bytes, gzipped: gzipSync(bytes), isForEver: name.startsWith("/assets/") });
	}
	return {
		find: (path) => files.get(path) ?? (isPage(path) ? files.get("/index.html") : undefined),
	};
}

/** Files lie in assets/ or at the top, with an extension. Deeper paths are pages, whose last name may have a dot: a site's. */
function isPage(path: string): boolean {
	const isTop = path.lastIndexOf("/") === 0;
	return isTop ? extname(path) === "" : !path.startsWith("/assets/");
}

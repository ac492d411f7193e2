// For servers: where the built browser app lies.
import { fileURLToPath } from "node:url";

/** Folder with index.html and assets/; `npm run build` makes it. */
export function appDirectory(): string {
	const path = import.meta.url.endsWith(".ts") ? "../dist/app" : "./app";
	return fileURLToPath(new URL(path, import.meta.url));
}

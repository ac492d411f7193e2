// For servers: where the built browser apps lie.
import { fileURLToPath } from "node:url";

/** Folder of the dashboard's index.html and assets/; `npm run build` makes it. */
export function appDirectory(): string {
	return built("app");
}

/** Folder of the site's page, likewise. */
export function siteAppDirectory(): string {
	return built("site");
}

/** Folder of the episode viewer, likewise. */
export function viewerAppDirectory(): string {
	return built("viewer");
}

function built(name: string): string {
	const path = import.meta.url.endsWith(".ts") ? `../dist/${name}` : `./${name}`;
	return fileURLToPath(new URL(path, import.meta.url));
}

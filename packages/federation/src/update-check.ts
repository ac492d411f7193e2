// What an update must look like.
import type { Shape } from "@zk0/arrays";

/** Names and shapes of the float32 tensors that travel. */
export type TensorSpecs = ReadonlyMap<string, Shape>;

// The op table: every row, by name.
import type { OpTable } from "../spec.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { LINALG } from "./linalg.ts";
import { MOVEMENT } from "./movement.ts";
import { NN } from "./nn.ts";
import { REDUCTION } from "./reduction.ts";

/** All ops of the engine. */
export const OPS: OpTable = { ...ELEMENTWISE, ...LINALG, ...MOVEMENT, ...REDUCTION, ...NN };

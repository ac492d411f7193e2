// What comes with this package for the small preset: a tokenizer with the names of SmolVLM2's special tokens, and a policy
// of 4.2 MB pretrained on simulated tasks (assets/small-base/README.md).
import { fileURLToPath } from "node:url";

const ASSETS = new URL("../assets/", import.meta.url);

/** Folder of the small preset's tokenizer. */
export const SMALL_TOKENIZER_DIR: string = fileURLToPath(new URL("small/tokenizer", ASSETS));
/** Folder of the pretrained small policy, a checkpoint. */
export const SMALL_BASE_DIR: string = fileURLToPath(new URL("small-base", ASSETS));

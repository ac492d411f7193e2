// Node side of the package: files, hashes, processes. Public names of @zk0/arrays/node.
export { writeFileAtomic, writePartsAtomic } from "./node/atomic-file.ts";
export { hashTensors, sha256File, sha256Hex } from "./node/hash.ts";
export { installedVersion } from "./node/installed-package.ts";
export { isProcessAlive, processStart } from "./node/process-alive.ts";
export { openSafetensors, type SafetensorsFile, writeSafetensorsFile } from "./node/safetensors-file.ts";

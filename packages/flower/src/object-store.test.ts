import { describe } from "vitest";
import { defineObjectStoreContract } from "./object-store.contract.ts";
import { memoryObjects } from "./object-store.ts";

describe("objects in memory", () => {
	defineObjectStoreContract(async () => memoryObjects());
});

import { expect, test } from "vitest";
import { installedVersion } from "./installed-package.ts";

test("an installed package has a version, another has none", () => {
	expect(installedVersion("vitest", import.meta.url)).toMatch(/^\d+\.\d+\.\d+/);
	expect(installedVersion("@zk0/no-such-package", import.meta.url)).toBeNull();
});

// The element type in which weights and updates travel. In bfloat16 the server sends its weights rounded, and a site
// answers with the rounded difference between what it trained and what it got: the difference is small, so its 8 bits
// of precision are worth far more than those of the weights would be. Both ends keep float32: the server adds the mean
// difference to its own unrounded weights, so that steps smaller than a weight's last bit add up instead of vanishing.
import {
	bytesOf,
	type DType,
	encodeSafetensorsHeader,
	float32ToBfloat16,
	type NdArray,
	type Shape,
} from "@zk0/arrays";
import { openSafetensors, type SafetensorsFile, writePartsAtomic } from "@zk0/arrays/node";

/** What travels between zk0 nodes; nodes of Flower read float32 only. */
export type UpdateDtype = "float32" | "bfloat16";

/** The element type of a weights file. @throws ArraysError when it is no safetensors file */
export function dtypeOf(path: string): UpdateDtype {
	using file = openSafetensors(path);
	const types = [...file.entries.values()].map(({ dtype }) => dtype);
	return types.length > 0 && types.every((dtype) => dtype === "bfloat16") ? "bfloat16" : "float32";
}

/** Writes the tensors of a float32 file rounded to bfloat16, ties to even; equal files give equal files. */
export async function roundWeights(from: string, to: string): Promise<void> {
	using file = openSafetensors(from);
	await writeTensors(to, file, "bfloat16", (name) => rounded(file.readFloat32(name).data));
}

/** Writes the tensors of a bfloat16 file as float32: the same numbers. */
export async function widenWeights(from: string, to: string): Promise<void> {
	using file = openSafetensors(from);
	await writeTensors(to, file, "float32", (name) => file.readFloat32(name));
}

/**
 * Writes `update` minus `base`, both float32, as bfloat16. Tensors that `base` lacks are written as they are: the
 * server refuses them by name.
 */
export async function writeDifference(update: string, base: string, to: string): Promise<void> {
	using file = openSafetensors(update);
	using from = openSafetensors(base);
	await writeTensors(to, file, "bfloat16", (name) => {
		const { data } = file.readFloat32(name);
		const known = from.entries.has(name) ? from.readFloat32(name).data : new Float32Array(0);
		return rounded(data.map((value, index) => value - (known[index] ?? 0)));
	});
}

function rounded(values: Float32Array): Pick<NdArray, "data"> {
	return { data: float32ToBfloat16(values) };
}

/** Writes the tensors that `source` lists, one in memory at a time. */
async function writeTensors(
	to: string,
	source: SafetensorsFile,
	dtype: DType,
	read: (name: string) => Pick<NdArray, "data">,
): Promise<void> {
	const shapes = [...source.entries].map(([name, { shape }]): [string, Shape] => [name, shape]);
	const infos = new Map(
		shapes.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, shape]) => [name, { dtype, shape }]),
	);
	function* parts(): Generator<Uint8Array> {
		yield encodeSafetensorsHeader(infos);
		for (const name of infos.keys()) yield bytesOf(read(name).data);
	}
	await writePartsAtomic(to, parts());
}

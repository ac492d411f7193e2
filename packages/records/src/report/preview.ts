// What the policy would do on a few held-out frames: the camera pictures, and for each joint the recorded and the
// predicted actions. Written once at the end of a run (previews.json), embedded in the report.
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { encode } from "fast-png";
import { z } from "zod";
import { element, escapeMarkup, label, picture, rule } from "./svg.ts";

const series = z.array(z.number());

/** Schema of {@link Preview}. */
export const previewSchema = z.strictObject({
	site: z.string(),
	episode: z.int().nonnegative(),
	frame: z.int().nonnegative(),
	task: z.string(),
	/** Camera pictures as PNG files in base64. */
	images: z.array(z.strictObject({ camera: z.string(), png: z.base64() })),
	/** Actions over the steps of the chunk that were recorded, in raw units. */
	joints: z.array(z.strictObject({ name: z.string(), recorded: series, predicted: series })),
});

/** One held-out frame with recorded and predicted actions. */
export type Preview = z.infer<typeof previewSchema>;

/** A picture; `rgb` is [height, width, 3]. */
interface Picture {
	readonly height: number;
	readonly width: number;
	readonly rgb: Uint8Array;
}

/** A picture as a PNG file. */
export function pngFile({ width, height, rgb }: Picture): Uint8Array {
	return encode({ width, height, data: rgb, channels: 3, depth: 8 });
}

/** A picture as a base64 PNG. */
export function pngBase64(image: Picture): string {
	return Buffer.from(pngFile(image)).toString("base64");
}

const WIDTH = 200;
const HEIGHT = 92;
const MARGIN = { top: 20, right: 8, bottom: 8, left: 36 };

function renderJoint({ name, recorded, predicted }: Preview["joints"][number]): string {
	const values = [...recorded, ...predicted];
	const low = Math.min(...values);
	const high = Math.max(...values);
	// At least ten degrees from top to bottom, so that noise of a joint at rest does not look like motion.
	const slack = Math.max((10 - (high - low)) / 2, (high - low) * 0.08);
	const y = scaleLinear([low - slack, high + slack], [HEIGHT - MARGIN.bottom, MARGIN.top]);
	const x = scaleLinear([0, Math.max(1, recorded.length - 1)], [MARGIN.left, WIDTH - MARGIN.right]);
	const path = (points: readonly number[]): string =>
		line<number>()
			.x((_, step) => Math.round(x(step) * 10) / 10)
			.y((value) => Math.round(y(value) * 10) / 10)([...points]) ?? "";
	const unit = /gripper/i.test(name) ? "%" : "°";
	return picture(
		{ width: WIDTH, height: HEIGHT, title: `${name}: recorded and predicted` },
		label(MARGIN.left, 12, name.replaceAll("_", " ").replace(/\.pos$/, ""), { class: "name" }),
		...y
			.ticks(2)
			.flatMap((tick) => [
				rule(MARGIN.left, y(tick), WIDTH - MARGIN.right, y(tick), { class: "grid" }),
				label(MARGIN.left - 5, y(tick) + 4, `${tick}${unit}`, { "text-anchor": "end", "font-size": "10px" }),
			]),
		element("path", { class: "recorded", d: path(recorded) }),
		element("path", { class: "predicted", d: path(predicted) }),
	);
}

/** A preview as a piece of the report. */
export function renderPreview(preview: Preview): string {
	const images = preview.images.map(({ camera, png }) =>
		element(
			"figure",
			{},
			`<img alt="${escapeMarkup(camera)}" src="data:image/png;base64,${png}">`,
			element("figcaption", {}, escapeMarkup(camera.replace(/^observation\.images\./, ""))),
		),
	);
	const where = `${preview.site} · episode ${preview.episode}, frame ${preview.frame}`;
	return element(
		"article",
		{ class: "preview" },
		element("h3", {}, escapeMarkup(preview.task), element("small", {}, escapeMarkup(where))),
		element("div", { class: "cameras" }, ...images),
		element("div", { class: "joints" }, ...preview.joints.map(renderJoint)),
	);
}

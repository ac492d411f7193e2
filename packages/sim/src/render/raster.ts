// A z-buffer and the one inner loop that fills triangles into it. Depth is stored as 1/distance, which is linear
// in screen space, so one plane equation per triangle is exact under perspective; larger is nearer.

/** What a triangle does to the samples it covers. */
export type Fill =
	/** Paints where it is nearest; `receivesShadow` marks the samples for later `shade` triangles. */
	| { readonly kind: "paint"; readonly colour: number; readonly receivesShadow: boolean }
	/** Darkens marked samples, each once; depth is ignored because a shadow lies on the marked surface. */
	| { readonly kind: "shade"; readonly factor: number };

/** Colour, depth and shadow mark of every sample. Reused from frame to frame. */
export interface Raster {
	readonly width: number;
	readonly height: number;
	/** Packed 0xBBGGRR per sample, rows from the top. */
	readonly colours: Uint32Array;
	readonly inverseDepths: Float32Array;
	/** 1 where a shadow may fall and has not yet. */
	readonly shadowMarks: Uint8Array;
}

/** An empty raster. @throws RangeError unless both sides are positive integers. */
export function createRaster(width: number, height: number): Raster {
	if (!Number.isSafeInteger(width) || !Number.isSafeInteger(height) || width < 1 || height < 1) {
		throw new RangeError(`createRaster: ${width}x${height}, expected positive integers`);
	}
	const numSamples = width * height;
	return {
		width,
		height,
		colours: new Uint32Array(numSamples),
		inverseDepths: new Float32Array(numSamples),
		shadowMarks: new Uint8Array(numSamples),
	};
}

/** Sets every sample to `colour` at infinite distance. */
export function clearRaster(raster: Raster, colour: number): void {
	raster.colours.fill(colour);
	raster.inverseDepths.fill(0);
	raster.shadowMarks.fill(0);
}

/** Packs channels of 0..1 (clamped) to 0xBBGGRR. */
export function packColour(red: number, green: number, blue: number): number {
	const byte = (value: number): number => Math.min(255, Math.max(0, Math.round(value * 255)));
	return byte(red) | (byte(green) << 8) | (byte(blue) << 16);
}

/**
 * Fills one triangle. Corners are `[x, y, 1/distance]` in sample coordinates (sample centres at +0.5), either
 * winding; `corners` holds nine numbers.
 */
export function fillTriangle(raster: Raster, corners: Float64Array, fill: Fill): void {
	const [ax = 0, ay = 0, az = 0, bx = 0, by = 0, bz = 0, cx = 0, cy = 0, cz = 0] = corners;
	const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
	if (!(Math.abs(area) > 1e-9)) return;
	const left = Math.max(0, Math.ceil(Math.min(ax, bx, cx) - 0.5));
	const right = Math.min(raster.width - 1, Math.floor(Math.max(ax, bx, cx) - 0.5));
	const top = Math.max(0, Math.ceil(Math.min(ay, by, cy) - 0.5));
	const bottom = Math.min(raster.height - 1, Math.floor(Math.max(ay, by, cy) - 0.5));
	if (left > right || top > bottom) return;
	// Edge functions, scaled so that the three add up to 1 inside (barycentric weights).
	const scale = 1 / area;
	const stepXa = (by - cy) * scale;
	const stepYa = (cx - bx) * scale;
	const stepXb = (cy - ay) * scale;
	const stepYb = (ax - cx) * scale;
	const startA = ((bx - left - 0.5) * (cy - top - 0.5) - (by - top - 0.5) * (cx - left - 0.5)) * scale;
	const startB = ((cx - left - 0.5) * (ay - top - 0.5) - (cy - top - 0.5) * (ax - left - 0.5)) * scale;
	const stepXc = -stepXa - stepXb;
	const stepYc = -stepYa - stepYb;
	const startC = 1 - startA - startB;
	const depthX = stepXa * (az - cz) + stepXb * (bz - cz);
	const span = { first: 0, last: 0 };
	for (let y = top; y <= bottom; y++) {
		const row = y - top;
		const weightA = startA + row * stepYa;
		const weightB = startB + row * stepYb;
		span.first = 0;
		span.last = right - left;
		narrow(span, weightA, stepXa);
		narrow(span, weightB, stepXb);
		narrow(span, startC + row * stepYc, stepXc);
		if (span.first > span.last) continue;
		const base = y * raster.width + left;
		if (fill.kind === "shade") shadeSpan(raster, base + span.first, base + span.last, fill.factor);
		else {
			const depth = cz + weightA * (az - cz) + weightB * (bz - cz) + span.first * depthX;
			paintSpan(raster, base + span.first, base + span.last, fill, depth, depthX);
		}
	}
}

/** Keeps the offsets of a row at which a weight that starts at `weight` and grows by `step` is not negative. */
function narrow(span: { first: number; last: number }, weight: number, step: number): void {
	if (step > 0) span.first = Math.max(span.first, Math.ceil(-weight / step));
	else if (step < 0) span.last = Math.min(span.last, Math.floor(-weight / step));
	else if (weight < 0) span.last = -1;
}

function paintSpan(
	raster: Raster,
	first: number,
	last: number,
	fill: Fill & { kind: "paint" },
	firstDepth: number,
	depthX: number,
): void {
	const { colours, inverseDepths, shadowMarks } = raster;
	const { colour } = fill;
	const mark = fill.receivesShadow ? 1 : 0;
	let depth = firstDepth;
	for (let sample = first; sample <= last; sample++) {
		if (depth > (inverseDepths[sample] ?? 0)) {
			inverseDepths[sample] = depth;
			colours[sample] = colour;
			shadowMarks[sample] = mark;
		}
		depth += depthX;
	}
}

function shadeSpan(raster: Raster, first: number, last: number, factor: number): void {
	const { colours, shadowMarks } = raster;
	for (let sample = first; sample <= last; sample++) {
		if (shadowMarks[sample] !== 1) continue;
		shadowMarks[sample] = 0;
		colours[sample] = darken(colours[sample] ?? 0, factor);
	}
}

function darken(colour: number, factor: number): number {
	const red = (colour & 0xff) * factor;
	const green = ((colour >>> 8) & 0xff) * factor;
	const blue = ((colour >>> 16) & 0xff) * factor;
	return Math.round(red) | (Math.round(green) << 8) | (Math.round(blue) << 16);
}

/** Averages blocks of `factor` x `factor` samples into RGB bytes, rows from the top. */
export function resolveRaster(raster: Raster, factor: number): Uint8Array {
	const width = raster.width / factor;
	const height = raster.height / factor;
	const rgb = new Uint8Array(width * height * 3);
	const numSamples = factor * factor;
	const half = numSamples >> 1;
	for (let y = 0; y < height; y++) {
		for (let x = 0; x < width; x++) {
			let red = half;
			let green = half;
			let blue = half;
			for (let dy = 0; dy < factor; dy++) {
				const start = (y * factor + dy) * raster.width + x * factor;
				for (let sample = start; sample < start + factor; sample++) {
					const colour = raster.colours[sample] ?? 0;
					red += colour & 0xff;
					green += (colour >>> 8) & 0xff;
					blue += (colour >>> 16) & 0xff;
				}
			}
			const out = (y * width + x) * 3;
			rgb[out] = red / numSamples;
			rgb[out + 1] = green / numSamples;
			rgb[out + 2] = blue / numSamples;
		}
	}
	return rgb;
}

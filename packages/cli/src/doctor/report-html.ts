// The doctor's report as one page that needs no network, no script and no other file: findings with their cures, a
// small picture of every camera and of what is wrong with it, and each joint's range over the episodes.
import type { DatasetReport, DoctorReport, Examination, Finding, Thumbnail } from "@zk0/doctor";
import { element, escapeMarkup, label, picture, pngBase64, REPORT_CSS, rule } from "@zk0/records/report";
import { scaleLinear } from "d3-scale";
import { countsText, placeText } from "./report-text.ts";

const CSS = [
	".finding{border-top:1px solid var(--line);padding:12px 0}.finding:first-of-type{border-top:0}",
	".finding p{margin:2px 0}.finding b{font-weight:600}",
	".chip{display:inline-block;border-radius:6px;padding:0 8px;font-size:12px;font-weight:600;margin-right:8px;color:#fff}",
	".chip.error{background:#b3261e}.chip.warning{background:#9a6700}.chip.info{background:#2563c9}",
	".pictures{display:flex;flex-wrap:wrap;gap:12px;margin:8px 0}.pictures figure{margin:0}",
	".pictures img{display:block;border-radius:6px;image-rendering:auto;width:160px;height:auto}",
	"figcaption{font-size:12px;color:var(--muted)}",
	".joints{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:10px}",
	".chart .band{fill:var(--accent);opacity:.75}",
].join("");

/** The page. */
export function renderDoctorHtml(report: DoctorReport, examinations: readonly Examination[]): string {
	const title = report.datasets.map(({ uri }) => uri).join(", ");
	const sections = report.datasets.map((dataset, at) => renderDataset(dataset, examinations[at]));
	return [
		"<!doctype html>",
		'<html lang="en"><head><meta charset="utf-8">',
		'<meta name="viewport" content="width=device-width,initial-scale=1">',
		`<title>Data doctor: ${escapeMarkup(title)}</title><style>${REPORT_CSS}${CSS}</style></head>`,
		element(
			"body",
			{},
			element(
				"main",
				{},
				element(
					"header",
					{},
					element("h1", {}, "Data doctor"),
					element("p", {}, escapeMarkup(countsText(report.summary))),
				),
				...sections,
			),
		),
		"</html>",
		"",
	].join("\n");
}

function renderDataset(dataset: DatasetReport, examination: Examination | undefined): string {
	const { uri, facts, findings } = dataset;
	const videos = examination?.evidence?.pictures.videos ?? [];
	const thumbnails = videos.flatMap((video) => video.thumbnails);
	const about =
		facts === null
			? "The metadata cannot be read."
			: `LeRobot ${facts.format} · ${facts.robotType ?? "robot unknown"} · ${facts.episodes ?? "?"} episodes · ${facts.frames} frames at ${facts.fps} fps · ${facts.picturesDecoded} of ${facts.pictures} pictures decoded`;
	const cameras = (facts?.cameras ?? []).map(({ key, role }) => {
		const portrait = thumbnails.find(({ camera }) => camera === key);
		return portrait === undefined
			? ""
			: renderThumbnail(portrait, `${shortName(key)}: ${role ?? "role unknown"}`);
	});
	return element(
		"section",
		{},
		element("h2", {}, escapeMarkup(uri)),
		element("p", { class: "muted" }, escapeMarkup(about)),
		element("div", { class: "pictures" }, ...cameras),
		...(findings.length === 0
			? [element("p", {}, "Nothing is wrong.")]
			: findings.map((finding) => renderFinding(finding, thumbnails))),
		renderJoints(examination),
	);
}

function renderFinding(finding: Finding, thumbnails: readonly Thumbnail[]): string {
	const { severity, code, message, cure, camera, episodes } = finding;
	const shown =
		finding.subject !== "pictures"
			? []
			: thumbnails
					.filter((one) => one.camera === camera && episodes.includes(one.episode) && isAbout(finding, one))
					.slice(0, 4);
	const place = placeText(finding);
	return element(
		"div",
		{ class: "finding" },
		element(
			"p",
			{},
			element("span", { class: `chip ${severity}` }, severity),
			element("code", {}, code),
			camera === null ? "" : escapeMarkup(` · ${shortName(camera)}`),
		),
		element("p", {}, element("b", {}, escapeMarkup(message))),
		...(place === "" ? [] : [element("p", { class: "muted" }, escapeMarkup(place))]),
		element("p", {}, escapeMarkup(cure)),
		...(shown.length === 0
			? []
			: [
					element(
						"div",
						{ class: "pictures" },
						...shown.map((one) => renderThumbnail(one, `episode ${one.episode}, frame ${one.frame}`)),
					),
				]),
	);
}

/** A thumbnail of a frame that the finding names, or from which a frozen stretch starts. */
function isAbout({ frames }: Finding, { episode, frame }: Thumbnail): boolean {
	return frames.some(
		(entry) => entry.episode === episode && entry.frames.some((one) => one === frame || one === frame + 1),
	);
}

function renderThumbnail({ camera, image }: Thumbnail, caption: string): string {
	return element(
		"figure",
		{},
		`<img alt="${escapeMarkup(camera)}" src="data:image/png;base64,${pngBase64(image)}">`,
		element("figcaption", {}, escapeMarkup(caption)),
	);
}

const WIDTH = 200;
const HEIGHT = 70;
const MARGIN = { top: 18, right: 6, bottom: 6, left: 36 };
/** Bars drawn; more episodes are thinned out. */
const MAX_BARS = 80;

/** For each joint of the state, a bar from lowest to highest value for every episode. */
function renderJoints(examination: Examination | undefined): string {
	const evidence = examination?.evidence;
	if (evidence === null || evidence === undefined) return "";
	const vector = evidence.state.names.length > 0 ? evidence.state : evidence.action;
	const episodes = evidence.rows.episodes.flatMap(
		({ state, action }) => (vector.feature === "action" ? action : state) ?? [],
	);
	const step = Math.max(1, Math.ceil(episodes.length / MAX_BARS));
	const shown = episodes.filter((_, at) => at % step === 0);
	if (shown.length === 0) return "";
	const charts = vector.names.map((name, joint) => {
		const bars = shown.flatMap((facts) => facts.joints[joint] ?? []).filter(({ min, max }) => min <= max);
		const low = Math.min(...bars.map(({ min }) => min));
		const high = Math.max(...bars.map(({ max }) => max));
		const y = scaleLinear([low, high > low ? high : low + 1], [HEIGHT - MARGIN.bottom, MARGIN.top]);
		const slot = (WIDTH - MARGIN.left - MARGIN.right) / Math.max(1, bars.length);
		return picture(
			{ width: WIDTH, height: HEIGHT, title: `${name}: range in each episode` },
			label(MARGIN.left, 12, name.replaceAll("_", " ").replace(/\.pos$/, ""), { class: "name" }),
			...y
				.ticks(2)
				.flatMap((tick) => [
					rule(MARGIN.left, y(tick), WIDTH - MARGIN.right, y(tick), { class: "grid" }),
					label(MARGIN.left - 4, y(tick) + 4, String(tick), { "text-anchor": "end", "font-size": "10px" }),
				]),
			...bars.map(({ min, max }, at) =>
				element("rect", {
					class: "band",
					x: MARGIN.left + at * slot,
					width: Math.max(0.5, slot * 0.7),
					y: y(max),
					height: Math.max(0.8, y(min) - y(max)),
				}),
			),
		);
	});
	return element(
		"div",
		{},
		element("h3", {}, "Range of each joint, episode by episode"),
		element("div", { class: "joints" }, ...charts),
	);
}

function shortName(camera: string): string {
	return camera.replace(/^observation\.images\./, "");
}

// Public names of @zk0/records/report: the files that people read about a run, the page of a prediction, and the elements
// that other pages are drawn with.
export {
	chunkTime,
	formatJoint,
	type JointPrediction,
	type PredictedEpisode,
	renderPredictionPage,
	renderPredictionSvg,
} from "./prediction-chart.ts";
export { type Preview, pngBase64, pngFile } from "./preview.ts";
export { REPORT_CSS } from "./report-css.ts";
export { writeRunFiles } from "./run-files.ts";
export { element, escapeMarkup, label, picture, rule } from "./svg.ts";

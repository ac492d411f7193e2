// Step 3: which camera is which of the policy's, seen on a picture of each.
import { type CamerasView, cameraPicturesSchema, type JoinView } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { z } from "zod";
import { Badge, Card, Empty, Failure } from "../../parts/card.tsx";
import { useRead } from "../../use-read.ts";
import { useAct } from "../act.ts";
import { Onward, shortCamera } from "./parts.tsx";

/** The step. */
export function CamerasStep({ join: { data, cameras } }: { readonly join: JoinView }) {
	if (cameras === null || data?.facts == null)
		return (
			<Card title="3. The cameras">
				<Empty>Choose the recordings first</Empty>
			</Card>
		);
	// Other recordings, or another answer of the server: begin anew.
	const key = JSON.stringify([data.uri, cameras.model]);
	return (
		<CameraForm
			key={key}
			datasetCameras={data.facts.cameras}
			cameras={cameras}
			dataKey={data.job.startedAt}
		/>
	);
}

type Model = CamerasView["model"];
type CameraMap = Readonly<Record<string, string>>;

const NOT_USED = "";
const proposalSchema = z.object({
	policyCameras: z.array(z.string()),
	proposal: z.record(z.string(), z.string()),
});
const MODELS = [
	["small", "zk0's small model", "two cameras: from above, and at the wrist"],
	["full", "SmolVLA at full size", "up to three cameras, numbered"],
] as const;

function CameraForm({
	datasetCameras,
	cameras,
	dataKey,
}: {
	readonly datasetCameras: readonly string[];
	readonly cameras: CamerasView;
	readonly dataKey: string;
}) {
	const { ask, isBusy, failure } = useAct();
	const [model, setModel] = useState(cameras.model);
	/** What was chosen here, model by model. */
	const [choices, setChoices] = useState<Partial<Record<Model, CameraMap>>>({});
	const isKnown = model === cameras.model;
	const asking = useRead(isKnown ? null : `/join/proposal?model=${model}`, proposalSchema);
	const proposed = isKnown ? cameras : asking.data;
	const policy = proposed?.policyCameras ?? [];
	const first = isKnown ? cameras.chosen : null;
	const map = choices[model] ?? first ?? proposed?.proposal ?? {};
	const setMap = (chosen: CameraMap): void => setChoices({ ...choices, [model]: chosen });
	const { data: pictures, error } = useRead("/join/pictures", cameraPicturesSchema, dataKey);
	/** What was asked last: a refusal belongs to it. */
	const [asked, setAsked] = useState<CameraMap | null>(null);
	const confirm = (): void => {
		setMap(map);
		setAsked(map);
		void ask("/join/cameras", { model, cameras: map });
	};
	const isSame = (one: object, other: object | null): boolean =>
		JSON.stringify(one) === JSON.stringify(other);
	const isConfirmed = isKnown && isSame(map, cameras.chosen);
	const dark = policy.filter((key) => !Object.values(map).includes(key));
	return (
		<Card
			title="3. The cameras"
			aside={isConfirmed ? <Badge tone="good">confirmed</Badge> : <Badge>a proposal, by their names</Badge>}
		>
			<p>
				The policy knows its cameras by name. Say for each of yours which one it is: a wrong one teaches the
				robot to look at the wrong place.
			</p>
			<fieldset class="models">
				<legend>Model that the federation trains (ask the operator when in doubt)</legend>
				{MODELS.map(([key, name, note]) => (
					<label key={key} class="check">
						<input type="radio" name="model" checked={model === key} onChange={() => setModel(key)} />
						{name} <span class="quiet">· {note}</span>
					</label>
				))}
			</fieldset>
			<ul class="cameras">
				{datasetCameras.map((camera) => {
					const picture = pictures?.pictures.find((one) => one.camera === camera);
					const id = `camera-${camera}`;
					return (
						<li key={camera}>
							{picture === undefined ? (
								<div class="no-picture">{error === null ? "Decoding…" : "No picture"}</div>
							) : (
								<img
									src={`data:image/png;base64,${picture.png}`}
									width={picture.width}
									height={picture.height}
									alt={`What ${shortCamera(camera)} sees in the middle of the first episode`}
								/>
							)}
							<label for={id}>
								<strong>{shortCamera(camera)}</strong> is the policy’s
							</label>
							<select
								id={id}
								value={map[camera] ?? NOT_USED}
								onChange={(event) => setMap(changed(map, camera, event.currentTarget.value))}
							>
								{policy.map((key) => (
									<option key={key} value={key}>
										{shortCamera(key)}
									</option>
								))}
								<option value={NOT_USED}>not used</option>
							</select>
						</li>
					);
				})}
			</ul>
			{dark.length > 0 && (
				<p class="callout">
					Nothing feeds {dark.map(shortCamera).join(" and ")}: the policy will see black there.
				</p>
			)}
			{[error, asking.error, asked === map ? failure : null].map(
				(text) => text !== null && <Failure key={text} text={text} />,
			)}
			<div class="onward">
				{!isConfirmed && (
					<button type="button" class="primary" disabled={isBusy || proposed === null} onClick={confirm}>
						These are right
					</button>
				)}
			</div>
			{isConfirmed && <Onward to="doctor" isDone />}
		</Card>
	);
}

function changed(map: CameraMap, camera: string, to: string): CameraMap {
	const { [camera]: _, ...others } = map;
	return to === NOT_USED ? others : { ...others, [camera]: to };
}

// The dataset card of a site: what it told about its recordings, and what the doctor says of them.
import { badgeIn, badgeWords, type SiteStatus } from "@zk0/dashboard/views";
import { formatValue } from "../format.ts";
import { Badge, Empty } from "./card.tsx";

type Doctor = NonNullable<SiteStatus["doctor"]>;

/** The doctor's verdict as one word or two. */
export function DoctorBadge({ doctor }: { readonly doctor: Doctor }) {
	const { errors, warnings } = doctor;
	return <Badge tone={errors > 0 ? "bad" : warnings > 0 ? "warn" : "good"}>{badgeWords(doctor)}</Badge>;
}

const NAMES: Readonly<Record<string, string>> = {
	robotType: "Robot",
	fps: "Frames a second",
	tasks: "Tasks",
	cameras: "Cameras",
	numEpisodes: "Episodes",
};
/** Shown elsewhere, in words. */
const ELSEWHERE: readonly string[] = ["doctor", "paused"];

/** What a site told about its recordings. */
export function Recordings({ details }: { readonly details: Readonly<Record<string, unknown>> }) {
	const doctor = badgeIn(details);
	const entries = Object.entries(details).filter(([name]) => !ELSEWHERE.includes(name));
	if (entries.length === 0) return <Empty>The site told nothing about its recordings yet</Empty>;
	return (
		<dl class="facts">
			<div>
				<dt>Doctor</dt>
				<dd>
					{doctor === null ? <span class="quiet">was not asked</span> : <DoctorBadge doctor={doctor} />}
					{doctor !== null && doctor.errors + doctor.warnings > 0 && (
						<p class="quiet">
							<code>zk0 data doctor</code> at the site names the episodes and what to do.
						</p>
					)}
				</dd>
			</div>
			{entries.map(([name, value]) => (
				<div key={name}>
					<dt>{NAMES[name] ?? name}</dt>
					<dd>
						{Array.isArray(value)
							? value.map((one) => <Badge key={formatValue(one)}>{formatValue(one)}</Badge>)
							: formatValue(value)}
					</dd>
				</div>
			))}
			{doctor !== null && (
				<div>
					<dt>Fingerprint</dt>
					<dd>
						<code class="hash" title="SHA-256 over the recordings that the doctor looked at">
							{doctor.fingerprint.slice(0, 16)}
						</code>
					</dd>
				</div>
			)}
		</dl>
	);
}

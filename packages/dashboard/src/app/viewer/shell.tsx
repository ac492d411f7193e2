// The episode viewer where it is a page of its own.
import { EpisodesPage } from "../episodes/episodes-page.tsx";
import { Frame } from "../parts/frame.tsx";

/** Everything that somebody sees who has the link. */
export function ViewerShell() {
	return (
		<Frame title="Episodes · zk0" isWide>
			<EpisodesPage
				noModel={
					<>
						No model to compare with. <code>zk0 data view … --model &lt;checkpoint&gt;</code> or{" "}
						<code>--run &lt;run&gt;</code> shows what one would have done.
					</>
				}
			/>
		</Frame>
	);
}

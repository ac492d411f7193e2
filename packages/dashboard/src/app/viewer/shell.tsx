// The frame around the episode viewer where it is a page of its own.
import type { SessionView } from "@zk0/dashboard/views";
import { EpisodesPage } from "../episodes/episodes-page.tsx";
import { ThemeButton } from "../parts/bar.tsx";
import { SessionContext } from "../session.ts";

/** Everything that somebody sees who has the link. */
export function ViewerShell({ session }: { readonly session: SessionView }) {
	return (
		<SessionContext.Provider value={session}>
			<a class="skip" href="#page">
				Skip to the page
			</a>
			<header class="bar">
				<span class="brand">
					<span class="mark" aria-hidden="true" />
					zk0
				</span>
				<span class="spring" />
				<ThemeButton />
			</header>
			<main id="page" class="wide" tabIndex={-1}>
				<EpisodesPage
					noModel={
						<>
							No model to compare with. <code>zk0 data view … --model &lt;checkpoint&gt;</code> or{" "}
							<code>--run &lt;run&gt;</code> shows what one would have done.
						</>
					}
				/>
			</main>
		</SessionContext.Provider>
	);
}

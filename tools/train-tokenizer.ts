// `node --import tsx --conditions=source tools/train-tokenizer.ts [--sentences file] [--out directory]`: trains the
// small preset's tokenizer on the simulator's task sentences (and a grammar of similar ones, or the lines of a file)
// and writes its files. The result is committed; the same sentences give the same files.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomic } from "@zk0/arrays/node";
import { smallPreset, trainTokenizer } from "@zk0/policy";
import { TASKS } from "@zk0/sim";

const { values } = parseArgs({
	options: {
		sentences: { type: "string" },
		out: { type: "string", default: "packages/policy/assets/small/tokenizer" },
	},
});

const COLOURS = ["red", "blue", "green", "yellow", "purple", "orange", "white", "black"];
const THINGS = ["cube", "block", "target", "zone", "ball", "box"];
const VERBS = ["Reach", "Push", "Lift", "Pick up", "Place", "Put", "Move", "Grasp"];
const PLACES = [
	"to the left",
	"to the right",
	"forward",
	"back",
	"on the target",
	"in the zone",
	"above the target",
];

/** Sentences like the simulator's, so that neighbouring instructions are short too. */
function grammar(): string[] {
	return VERBS.flatMap((verb) =>
		COLOURS.flatMap((colour) =>
			THINGS.flatMap((thing) => PLACES.map((place) => `${verb} the ${colour} ${thing} ${place}\n`)),
		),
	);
}

function sentences(): string[] {
	if (values.sentences !== undefined) {
		const lines = readFileSync(values.sentences, "utf8").split("\n");
		return lines.filter((line) => line !== "").map((line) => `${line}\n`);
	}
	// The simulator's own sentences weigh as much as the grammar, so that each of their words becomes one token.
	const rounds = Math.ceil(grammar().length / TASKS.length);
	const own = TASKS.map(({ sentence }) => `${sentence}\n`);
	return [...grammar(), ...Array.from({ length: rounds }, () => own).flat()];
}

const files = trainTokenizer(sentences(), smallPreset().vlm.text_config.vocab_size);
for (const [name, content] of Object.entries(files)) {
	await writeFileAtomic(join(values.out, name), `${JSON.stringify(content, null, "\t")}\n`);
	console.log(join(values.out, name));
}

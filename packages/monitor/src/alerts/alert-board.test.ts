// An alert is told once when it begins and once when it ends.
import { expect, test } from "vitest";
import type { Alert } from "./alert.ts";
import { createAlertBoard } from "./alert-board.ts";

const lost = (message: string, subject = "barn"): Alert => ({
	rule: "site-lost",
	subject,
	severity: "critical",
	message,
	cure: "start it",
});

test("fires once, keeps its beginning while its words change, and resolves once", () => {
	const board = createAlertBoard();
	expect(board.update([lost("for 2 min")], 10)).toMatchObject([{ status: "firing", atMs: 10 }]);
	expect(board.update([lost("for 3 min")], 20)).toEqual([]);
	expect(board.active()).toMatchObject([{ message: "for 3 min", sinceMs: 10 }]);
	expect(board.update([], 30)).toMatchObject([{ status: "resolved", alert: { sinceMs: 10 }, atMs: 30 }]);
	expect(board.update([], 40)).toEqual([]);
	expect(board.active()).toEqual([]);
});

test("an alert that comes back is told again, and subjects are told apart", () => {
	const board = createAlertBoard();
	board.update([lost("x", "attic"), lost("x", "barn")], 1);
	expect(board.update([lost("x", "attic")], 2)).toMatchObject([{ alert: { subject: "barn" } }]);
	expect(board.update([lost("x", "barn"), lost("x", "attic")], 3)).toMatchObject([
		{ status: "firing", alert: { subject: "barn", sinceMs: 3 } },
	]);
	expect(board.active().map(({ subject }) => subject)).toEqual(["attic", "barn"]);
});

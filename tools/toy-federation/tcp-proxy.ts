// A network between two processes that can be cut, healed and slowed, and that tells how many bytes have passed.
import { connect, createServer, type Socket } from "node:net";

/** A network that is up at first. Disposing it closes everything. */
export interface TcpProxy extends AsyncDisposable {
	readonly port: number;
	/** Bytes from the clients to the server, and back. */
	readonly upBytes: number;
	readonly downBytes: number;
	/** Packets vanish without a word, as behind a router that lost power; new connections hang. */
	cut(): void;
	/** Connections end with a reset and new ones are refused, as when the server's machine is gone. */
	reset(): void;
	/** New connections pass again; those of before a cut are reset, as by a router that has forgotten them. */
	heal(): void;
	/** Where the server is now. */
	target: number;
	/** Calls back once, when so many bytes have passed in a direction. */
	onceAt(direction: "up" | "down", numBytes: number, callback: () => void): void;
	/** Calls back once, with the first bytes from the server from now on. */
	onceAnswered(callback: () => void): void;
}

/** Ends a connection at once. With bytes still to be written Node would first send those, and then never close. */
function drop(socket: Socket): void {
	if (socket.writableLength > 0) socket.destroy();
	else socket.resetAndDestroy();
}

/** A proxy on loopback in front of `target`. */
export async function openProxy(target: number): Promise<TcpProxy> {
	const sockets = new Set<Socket>();
	let state: "up" | "cut" | "reset" = "up";
	const passed = { up: 0, down: 0 };
	let marks: {
		readonly direction: "up" | "down";
		readonly numBytes: number;
		readonly callback: () => void;
	}[] = [];
	const count = (direction: "up" | "down", numBytes: number): void => {
		passed[direction] += numBytes;
		const reached = marks.filter((mark) => passed[mark.direction] >= mark.numBytes);
		marks = marks.filter((mark) => !reached.includes(mark));
		for (const { callback } of reached) callback();
	};
	const keep = (socket: Socket): void => {
		sockets.add(socket);
		socket.setNoDelay(true);
		socket.once("close", () => sockets.delete(socket));
		// A reset is what this proxy is for; the other side is told by the close below.
		socket.on("error", () => socket.destroy());
	};
	const pipe = (from: Socket, to: Socket, direction: "up" | "down"): void => {
		from.on("data", (bytes: Buffer) => {
			if (state === "cut") return;
			count(direction, bytes.length);
			if (!to.destroyed && !to.write(bytes)) {
				from.pause();
				to.once("drain", () => from.resume());
			}
		});
		from.once("close", () => {
			if (state !== "cut") to.destroy();
		});
	};
	const server = createServer((client) => {
		keep(client);
		if (state === "reset") client.resetAndDestroy();
		if (state !== "up") return;
		const upstream = connect(proxy.target, "127.0.0.1");
		keep(upstream);
		pipe(client, upstream, "up");
		pipe(upstream, client, "down");
	});
	const proxy: TcpProxy = {
		port: 0,
		target,
		get upBytes() {
			return passed.up;
		},
		get downBytes() {
			return passed.down;
		},
		cut() {
			state = "cut";
		},
		reset() {
			state = "reset";
			for (const socket of sockets) drop(socket);
		},
		heal() {
			state = "up";
			for (const socket of sockets) drop(socket);
		},
		onceAt(direction, numBytes, callback) {
			marks.push({ direction, numBytes, callback });
		},
		onceAnswered(callback) {
			marks.push({ direction: "down", numBytes: passed.down + 1, callback });
		},
		async [Symbol.asyncDispose]() {
			for (const socket of sockets) socket.destroy();
			await new Promise<void>((resolve) => server.close(() => resolve()));
		},
	};
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	return Object.assign(proxy, { port: typeof address === "object" && address !== null ? address.port : 0 });
}

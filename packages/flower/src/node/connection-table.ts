// The connections of a listener: how many there may be, from where, and which of them have shown that they belong here.
// Strangers are the first to go.
import type { Socket } from "node:net";
import { addressOf } from "../peer-address.ts";
import { createRateLimit, type Rate } from "../rate-limit.ts";

/** Bounds on connections. */
export interface ConnectionLimits {
	/** In all. Beyond, the oldest one that has not been admitted makes room; without one, the new one is closed. */
	readonly maxConnections: number;
	/** From one address (of IPv6: one /64 network). Many honest sites can share one address. */
	readonly maxConnectionsPerAddress: number;
	/** New ones from one address: each costs a handshake. */
	readonly newConnectionsPerAddress: Rate;
	/** A connection without an admitted call is closed after this time, however busy it is. */
	readonly admissionTimeoutMs: number;
}

/**
 * A thousand sites behind one address can connect at once, and again while the server still counts their old
 * connections; a stranger has that much from each address, for 15 seconds a connection.
 */
const DEFAULT_LIMITS: ConnectionLimits = {
	maxConnections: 4096,
	maxConnectionsPerAddress: 2048,
	newConnectionsPerAddress: { burst: 2048, perSecond: 50 },
	admissionTimeoutMs: 15_000,
};

/** A connection. */
export interface Connection {
	readonly socket: Socket;
	/** `address:port`. */
	readonly peer: string;
	readonly address: string;
	/** On the clock of `performance.now()`. */
	readonly openedMs: number;
	/** True from the first call of a caller that somebody vouches for. */
	isAdmitted: boolean;
}

/** The connections that are open. */
export interface ConnectionTable {
	/** Takes a new connection, or closes it and says why not. */
	enter(socket: Socket): Connection | "too many connections" | "too many connections from this address";
	/** The connection with this other end. */
	find(peer: string): Connection | undefined;
	/** Closes those that had their time and were not admitted; gives their peers. */
	dropStrangers(nowMs: number): string[];
	readonly size: number;
	/** Closes all. */
	clear(): void;
}

/** An empty table; limits that are not given have their defaults. */
export function createConnectionTable(given: Partial<ConnectionLimits>): ConnectionTable {
	const limits: ConnectionLimits = { ...DEFAULT_LIMITS, ...given };
	const { maxConnections, maxConnectionsPerAddress, admissionTimeoutMs } = limits;
	const byPeer = new Map<string, Connection>();
	const numOfAddress = new Map<string, number>();
	const newOnes = createRateLimit(limits.newConnectionsPerAddress);
	const count = (address: string, change: number): void => {
		const next = (numOfAddress.get(address) ?? 0) + change;
		if (next === 0) numOfAddress.delete(address);
		else numOfAddress.set(address, next);
	};
	const leave = (connection: Connection): void => {
		if (byPeer.get(connection.peer) !== connection) return;
		byPeer.delete(connection.peer);
		count(connection.address, -1);
	};
	const makeRoom = (): boolean => {
		// In order of arrival, so the first is the oldest.
		for (const connection of byPeer.values()) {
			if (connection.isAdmitted) continue;
			leave(connection);
			connection.socket.destroy();
			return true;
		}
		return false;
	};
	return {
		get size() {
			return byPeer.size;
		},
		find: (peer) => byPeer.get(peer),
		enter(socket) {
			const peer = peerOf(socket);
			const address = addressOf(peer);
			const openedMs = performance.now();
			const isOverAddress = (numOfAddress.get(address) ?? 0) >= maxConnectionsPerAddress;
			if (isOverAddress || newOnes.take(address, openedMs) > 0) {
				socket.destroy();
				return "too many connections from this address";
			}
			if (byPeer.size >= maxConnections && !makeRoom()) {
				socket.destroy();
				return "too many connections";
			}
			const connection: Connection = { socket, peer, address, openedMs, isAdmitted: false };
			byPeer.set(peer, connection);
			count(address, 1);
			socket.once("close", () => leave(connection));
			return connection;
		},
		dropStrangers(nowMs) {
			const late = [...byPeer.values()].filter(
				({ isAdmitted, openedMs }) => !isAdmitted && nowMs - openedMs >= admissionTimeoutMs,
			);
			for (const connection of late) {
				leave(connection);
				connection.socket.destroy();
			}
			return late.map(({ peer }) => peer);
		},
		clear() {
			for (const { socket } of byPeer.values()) socket.destroy();
		},
	};
}

/** `address:port` of the other side, for people. */
export function peerOf(socket: Socket): string {
	return `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`;
}

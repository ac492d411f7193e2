// Makes one connection as a client would and closes it, to learn in good time, and in words, why it would not work.

import { connect as connectTcp, isIP } from "node:net";
import { checkServerIdentity, connect as connectTls } from "node:tls";
import { codeOf } from "@zk0/arrays";
import { FlowerError } from "../errors.ts";
import { checkPlaintextHost, TLS_MIN_VERSION } from "./connection.ts";
import { connectionError, tlsWantedError } from "./connection-problem.ts";
import type { ClientTls } from "./grpc-transport.ts";

/** Which server, and what to trust. */
export interface CheckServerOptions {
	readonly host: string;
	readonly port: number;
	readonly security: ClientTls | "plaintext";
	readonly timeoutMs: number;
}

/** What every HTTP/2 connection begins with. */
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: Uint8Array = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
/** Byte of an HTTP/2 frame that says what it is, and the value for settings, which a server sends first. */
const FRAME_TYPE = 3;
const SETTINGS = 4;

/** Resolves when the server can be spoken to. @throws FlowerError unavailable, with `problem` */
export function checkServer(options: CheckServerOptions): Promise<void> {
	return options.security === "plaintext" ? checkPlaintext(options) : checkTls(options, options.security);
}

function checkTls({ host, port, timeoutMs }: CheckServerOptions, tls: ClientTls): Promise<void> {
	const { rootCertificates, serverName } = tls;
	return new Promise((resolve, reject) => {
		const socket = connectTls({
			host,
			port,
			minVersion: TLS_MIN_VERSION,
			ALPNProtocols: ["h2"],
			checkServerIdentity: (_, certificate) => checkServerIdentity(serverName ?? host, certificate),
			timeout: timeoutMs,
			...(rootCertificates === undefined ? {} : { ca: rootCertificates }),
			...(isIP(serverName ?? host) === 0 ? { servername: serverName ?? host } : {}),
		});
		const fail = (error: FlowerError): void => {
			socket.destroy();
			reject(error);
		};
		socket.once("error", (cause) => fail(connectionError(saidBy(cause), { host, port }, cause)));
		socket.once("timeout", () => fail(connectionError(noAnswer(timeoutMs), { host, port })));
		socket.once("secureConnect", () => {
			socket.destroy();
			resolve();
		});
	});
}

function checkPlaintext({ host, port, timeoutMs }: CheckServerOptions): Promise<void> {
	checkPlaintextHost(host);
	return new Promise((resolve, reject) => {
		const socket = connectTcp({ host, port, timeout: timeoutMs });
		let isConnected = false;
		const fail = (error: FlowerError): void => {
			socket.destroy();
			reject(error);
		};
		const wantsTls = (): void => fail(tlsWantedError(`${host}:${port}`));
		socket.once("connect", () => {
			isConnected = true;
			socket.write(PREFACE);
			socket.write(EMPTY_SETTINGS);
		});
		socket.once("data", (bytes) => {
			if (bytes[FRAME_TYPE] !== SETTINGS) return wantsTls();
			socket.destroy();
			resolve();
		});
		socket.once("timeout", () => fail(connectionError(noAnswer(timeoutMs), { host, port })));
		// A TLS server closes what does not begin with a handshake.
		socket.once("error", (cause) =>
			isConnected ? wantsTls() : fail(connectionError(saidBy(cause), { host, port }, cause)),
		);
		socket.once("close", () => (isConnected ? wantsTls() : undefined));
	});
}

/** Message and code of an error: with several addresses Node gives only a code. */
export function saidBy(error: Error): string {
	const code = codeOf(error) ?? "";
	if (error.message === "") return code;
	return error.message.includes(code) ? error.message : `${error.message} (${code})`;
}

function noAnswer(timeoutMs: number): string {
	return `no answer within ${timeoutMs} ms`;
}

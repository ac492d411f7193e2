// The operator's limits as listener and server take them.
import { type CallLimits, DEFAULT_CALL_LIMITS } from "@zk0/federation";
import type { GrpcServerOptions } from "@zk0/flower/node";
import type { ServerLimits } from "./server-limits.ts";

const MIB = 1 << 20;

/** What the listener reads. */
export function listenerLimits(limits: ServerLimits): Partial<GrpcServerOptions> {
	const { connections, connectionsPerAddress, newConnectionsPerSecond, callsPerConnection } = limits;
	const { mibInFlight, mibInFlightPerSite, secondsPerMessage } = limits;
	const perAddress = connectionsPerAddress ?? 2048;
	return {
		...(connections === undefined ? {} : { maxConnections: connections }),
		...(connectionsPerAddress === undefined ? {} : { maxConnectionsPerAddress: connectionsPerAddress }),
		newConnectionsPerAddress: { burst: perAddress, perSecond: newConnectionsPerSecond ?? 50 },
		...(callsPerConnection === undefined ? {} : { maxCallsPerConnection: callsPerConnection }),
		...(mibInFlight === undefined ? {} : { maxBytesInFlight: mibInFlight * MIB }),
		...(mibInFlightPerSite === undefined ? {} : { maxBytesInFlightPerNode: mibInFlightPerSite * MIB }),
		...(secondsPerMessage === undefined ? {} : { bodyTimeoutMs: secondsPerMessage * 1000 }),
	};
}

/** What the server reads. */
export function callLimits({ callsPerSecond, strangerCallsPerSecond }: ServerLimits): CallLimits {
	const { callsPerNode, callsOfStrangers } = DEFAULT_CALL_LIMITS;
	return {
		...DEFAULT_CALL_LIMITS,
		...(callsPerSecond === undefined
			? {}
			: { callsPerNode: { burst: Math.max(callsPerNode.burst, callsPerSecond), perSecond: callsPerSecond } }),
		...(strangerCallsPerSecond === undefined
			? {}
			: {
					callsOfStrangers: {
						burst: Math.max(callsOfStrangers.burst, strangerCallsPerSecond),
						perSecond: strangerCallsPerSecond,
					},
				}),
	};
}

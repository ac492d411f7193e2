// The part of a peer's address that stands for one network connection to the world: what limits per address count by.

/** `address:port` without the port; of IPv6 the first 64 bits, which one customer has; IPv4 in IPv6 as IPv4. */
export function addressOf(peer: string): string {
	const end = peer.lastIndexOf(":");
	const host = /:\d+$/.test(peer) && end > 0 ? peer.slice(0, end).replace(/^\[|\]$/g, "") : peer;
	const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
	if (mapped !== undefined) return mapped;
	return host.includes(":") ? `${firstGroups(host)}::/64` : host;
}

/** The first four of the eight groups, written out. */
function firstGroups(address: string): string {
	const [head = "", tail] = address.split("%", 1).join("").split("::");
	const before = head === "" ? [] : head.split(":");
	const after = tail === undefined || tail === "" ? [] : tail.split(":");
	const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
	const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
	return groups
		.slice(0, 4)
		.map((group) => group.replace(/^0+(?=.)/, "").toLowerCase())
		.join(":");
}

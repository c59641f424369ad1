// Addresses: who is calling, behind which proxies, and whether that is allowed.
import ipaddr from 'ipaddr.js'

type Range = readonly [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Whether an address lies in one of some ranges. */
export type AddressSet = (address: string) => boolean

/**
 * Compiles addresses and CIDR ranges (`10.0.0.0/8`, `::1`). An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) counts as
 * IPv4. Throws `TypeError` naming the range that is none.
 */
export function addressSet(ranges: readonly string[]): AddressSet {
  const parsed = ranges.map(parseRange)
  return (text) => {
    const address = parseAddress(text)
    if (address === undefined) return false
    return parsed.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))
  }
}

/** Whether only this machine can reach a listener on this host. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  return parseAddress(host.replace(/^\[|\]$/gu, ''))?.range() === 'loopback'
}

/** The address without an IPv6 wrapping around IPv4, so that one caller has one name. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** What a request says of how it came here. */
export interface Hops {
  /** The address of the peer on the socket. */
  readonly peer: string
  readonly forwardedFor: string | undefined
}

/**
 * The caller's address: the peer, unless that is a trusted proxy; then the last address in `X-Forwarded-For` that is not
 * one. Reading from the right, because everything left of the last trusted hop may have been made up by the caller.
 */
export function callerAddress(hops: Hops, trusted: AddressSet): string {
  const { peer, forwardedFor } = hops
  if (forwardedFor === undefined || !trusted(peer)) return peer
  let caller = peer
  for (const hop of forwardedFor.split(',').reverse()) {
    const address = withoutPort(hop.trim())
    if (parseAddress(address) === undefined) return caller // an obfuscated or invented hop ends what can be known
    caller = plainAddress(address)
    if (!trusted(caller)) return caller
  }
  return caller
}

/** Some proxies append the port: `203.0.113.7:4711`, `[2001:db8::1]:4711`. */
function withoutPort(hop: string): string {
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/u.exec(hop) ?? []
  if (bracketed !== undefined) return bracketed
  const [, v4] = /^(\d+\.\d+\.\d+\.\d+):\d+$/u.exec(hop) ?? []
  return v4 ?? hop
}

/** Only the usual forms: `0x7f.1` and `2130706433` are addresses to inet_aton, and to nobody who writes one honestly. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const usual = ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text)
  return usual ? ipaddr.process(text) : undefined
}

function parseRange(text: string): Range {
  if (ipaddr.isValidCIDR(text)) {
    const [network, bits] = ipaddr.parseCIDR(text)
    const mapped = network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress() && bits >= 96
    return mapped ? [network.toIPv4Address(), bits - 96] : [network, bits]
  }
  const address = parseAddress(text)
  if (address === undefined)
    throw new TypeError(`${JSON.stringify(text)} is neither an address nor a CIDR range`)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

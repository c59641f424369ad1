// Which addresses anybody's words may make us connect to: public ones, checked at the moment of connecting.
import dns from 'node:dns'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'
import { GatewayError } from '../api.ts'

/**
 * Whether an IP address belongs to the public internet. Loopback, private, link-local (cloud metadata), shared, reserved
 * and multicast ranges do not, nor do IPv6 addresses that carry an IPv4 one (mapped, 6to4, NAT64, Teredo).
 */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address) // ::ffff:127.0.0.1 is 127.0.0.1
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' || parsed.match(globalUnicast)
}

/** RFC 4291 §2.4, IANA: all of IPv6 that is handed out lies here. */
const globalUnicast = ipaddr.parseCIDR('2000::/3')

/**
 * A connector for undici that reaches public addresses only. The name is resolved once, when the connection is made, and
 * the connection goes to an address that was looked at: a name that changes its mind in between (DNS rebinding) gains
 * nothing. Fails with `FORBIDDEN`, `notExecuted`.
 */
export function publicConnector(resolve: LookupFunction = dns.lookup): buildConnector.connector {
  const connect = buildConnector({ lookup: publicLookup(resolve) })
  return (options, callback) => {
    // An address needs no lookup, so none would be asked.
    if (isIP(options.hostname) !== 0 && !isPublic(options.hostname))
      callback(forbidden(options.hostname), null)
    else connect(options, callback)
  }
}

/** A lookup that answers only public addresses. */
export function publicLookup(resolve: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null || typeof addresses === 'string')
        return callback(error ?? forbidden(hostname), '', 0)
      const open = addresses.filter(({ address }) => isPublic(address))
      const [first] = open
      if (first === undefined) return callback(forbidden(hostname), '', 0)
      if (options.all === true) return callback(null, open)
      callback(null, first.address, first.family)
    })
  }
}

/** The caller may be told this; which host it is, and what to do about it, is the operator's (in the log). */
function forbidden(host: string): GatewayError {
  return new GatewayError('FORBIDDEN', 'where this would go is not a public address', {
    cause: new GatewayError('FORBIDDEN', `${host}: name the host in the config if it is meant`),
    notExecuted: true,
  })
}

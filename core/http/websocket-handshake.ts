// The handshake of a WebSocket (RFC 6455 §4.2.1): what is checked before it is answered, beside what every request passes.
import { GatewayError } from '../api.ts'
import type { Head } from './head.ts'
import { Refusal } from './refusal.ts'

export interface Offer {
  /** The subprotocols named, in the client's order, without the credential. */
  readonly protocols: readonly string[]
  /** The head without the credential in the subprotocols: as `Authorization`, which wins where both are sent. */
  readonly headers: Head['headers']
}

const VERSION = '13'
/** Sixteen bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/u
const BEARER = 'bearer.'
/** RFC 6454 §6.2: scheme, host and port alone; never `null`, which is no origin. */
const PAGE = /^https?:\/\/[^/?#@\\\s]+$/iu

/** Checks the head and takes the token out of the subprotocols: browsers cannot send it otherwise (DESIGN §16). Throws `Refusal`. */
export function readOffer(head: Head): Offer {
  const { headers } = head
  if (head.method !== 'GET' || head.hasBody || !KEY.test(headers['sec-websocket-key'] ?? ''))
    throw new Refusal('malformed', new GatewayError('DECODE_FAILED', 'this is no handshake of RFC 6455 §4.1'))
  if (headers['sec-websocket-version'] !== VERSION)
    throw new Refusal(
      'malformed',
      new GatewayError('DECODE_FAILED', `WebSocket version ${VERSION} is spoken here`, { status: 426 }),
      { 'sec-websocket-version': VERSION, upgrade: 'websocket' }, // §4.4, RFC 9110 §15.5.22
    )
  const named = (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const tokens = named.filter((name) => name.startsWith(BEARER)).map((name) => name.slice(BEARER.length))
  if (tokens.length > 1)
    throw new Refusal('credential', new GatewayError('DECODE_FAILED', 'more than one bearer.TOKEN is named'))
  const protocols = named.filter((name) => !name.startsWith(BEARER))
  const [token] = tokens
  const { 'sec-websocket-protocol': _named, ...rest } = headers
  return {
    protocols,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...rest,
      ...(protocols.length > 0 && { 'sec-websocket-protocol': protocols.join(', ') }),
    },
  }
}

/** The first of ours that the client names; empty where it names none, or we have none. Throws `Refusal` where it names others only. */
export function agreeOn(named: readonly string[], ours: readonly string[] | undefined): string {
  if (ours === undefined || named.length === 0) return ''
  const agreed = ours.find((name) => named.includes(name))
  if (agreed !== undefined) return agreed
  throw new Refusal(
    'malformed',
    new GatewayError('DECODE_FAILED', `none of the subprotocols is spoken here: name ${ours.join(' or ')}`),
  )
}

/**
 * A page of another site may not speak in its reader's name: ws takes any `Origin`. Programs send none and are allowed,
 * as are our own pages and those of the list (`*`: any). `own` is our base address: browsers say of it neither the path nor
 * the port of its scheme (RFC 6454 §6.2), programs may say that port. Throws `Refusal`.
 */
export function checkOrigin(
  origin: string | undefined,
  { own, allowed }: { readonly own: string; readonly allowed: readonly string[] },
): void {
  if (origin === undefined) return
  const page = PAGE.test(origin) ? URL.parse(origin)?.origin : undefined
  if (allowed.includes('*') || (page !== undefined && [URL.parse(own)?.origin, ...allowed].includes(page)))
    return
  throw new Refusal(
    'origin',
    new GatewayError('FORBIDDEN', `pages of ${origin.slice(0, 200)} may not connect: add it to http.origins`),
  )
}

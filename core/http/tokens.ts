// JSON Web Tokens of customers and agents, checked once and remembered for a short while.
import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  type FetchImplementation,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose'
import { LRUCache } from 'lru-cache'
import { GatewayError, type Identity, type Log } from '../api.ts'
import { createFetch } from '../guard/fetch.ts'
import { identifierProblem } from '../identifier.ts'
import { keysOfFile } from './key-file.ts'

/** Exactly one of `secret` (HMAC) and `jwks` (a URL, or a file's absolute path). */
export interface TokenConfig {
  readonly secret?: string
  readonly jwks?: string
  readonly issuer?: string
  readonly audience?: string | readonly string[]
}

export interface TokensConfig {
  readonly customers?: TokenConfig
  readonly agents?: TokenConfig
}

/** Resolves whom the token names; undefined: it is none of ours, expired or forged. Throws `BACKEND_FAILED` where the keys cannot be had. */
export type TokenCheck = (token: string) => Identity | undefined | Promise<Identity | undefined>

/** Never both kinds for one issuer: a public key must not be taken for an HMAC secret. */
const HMAC = ['HS256', 'HS384', 'HS512']
const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
/** A key taken out of a file lets nobody in after it. Keys at a URL are asked for again after ten minutes more, by jose. */
const REVOKED_MS = 60_000
const LOOK_EVERY_MS = 5000
/** How long a verified token costs nothing. */
const REMEMBER_MS = REVOKED_MS - LOOK_EVERY_MS
const REMEMBERED = 10_000
const CLOCK_SKEW_S = 5
const MAX_TOKEN_CHARS = 8192
/** What a token without a `kid` may cost: it is tried with each key of its algorithm. */
const MAX_KEYS_TRIED = 16
const KEY_SET_BYTES = 1024 * 1024

/**
 * Checks signature, issuer, audience and times; `sub` is the name, and whose cannot be a sender's is nobody. A token with `roles` that the agents' keys signed is
 * an agent; anything else the customers' keys signed is a customer, so that a shared key never makes agents of customers. The agents'
 * keys are asked for only where a token says that it is an agent's: while they cannot be had customers get in.
 */
export function createTokenCheck(
  config: TokensConfig,
  { log, now = Date.now }: { readonly log: Log; readonly now?: (() => number) | undefined },
): TokenCheck {
  const verifyAgent = config.agents && verifier(config.agents, { where: 'identity.agents', log, now })
  const verifyCustomer =
    config.customers && verifier(config.customers, { where: 'identity.customers', log, now })
  const known = new LRUCache<string, { readonly identity: Identity; readonly until: number }>({
    max: REMEMBERED,
  })

  function remember(token: string, identity: Identity | undefined): Identity | undefined {
    if (identity !== undefined)
      known.set(token, { identity, until: Math.min(now() + REMEMBER_MS, identity.until ?? Infinity) })
    return identity
  }

  async function check(token: string): Promise<Identity | undefined> {
    const asAgent = saysAgent(token) ? await verifyAgent?.(token) : undefined
    const agent = asAgent && agentOf(asAgent)
    const payload = agent === undefined ? await verifyCustomer?.(token) : asAgent
    const who = agent ?? (payload && customerOf(payload))
    if (who === undefined || payload?.exp === undefined) return remember(token, who)
    return remember(token, { ...who, until: (payload.exp + CLOCK_SKEW_S) * 1000 })
  }

  return (token) => {
    const remembered = known.get(token)
    if (remembered !== undefined && remembered.until > now()) return remembered.identity
    if (token.length > MAX_TOKEN_CHARS || token.split('.').length !== 3) return undefined // RFC 7515 §7.1
    return check(token)
  }
}

/** Not verified yet: true makes nobody an agent, false only says that the token could make none. */
function saysAgent(token: string): boolean {
  try {
    return agentOf(decodeJwt(token)) !== undefined
  } catch (error) {
    if (error instanceof errors.JWTInvalid) return false
    throw error
  }
}

function agentOf(payload: JWTPayload): Identity | undefined {
  const roles = payload['roles']
  if (!isName(payload.sub) || !Array.isArray(roles) || roles.length === 0) return undefined
  const names = roles.filter((role) => typeof role === 'string')
  return names.length === roles.length ? { role: 'agent', id: payload.sub, roles: names } : undefined
}

function customerOf(payload: JWTPayload): Identity | undefined {
  return isName(payload.sub) ? { role: 'customer', id: payload.sub } : undefined
}

/** The rule for senders: whom a token names takes their place. */
function isName(sub: unknown): sub is string {
  return typeof sub === 'string' && identifierProblem(sub) === undefined
}

function verifier(
  config: TokenConfig,
  around: { readonly where: string; readonly log: Log; readonly now: () => number },
): (token: string) => Promise<JWTPayload | undefined> {
  const { where, now } = around
  const keys = keySource(config, around)
  const options: JWTVerifyOptions = {
    algorithms: config.secret === undefined ? ASYMMETRIC : HMAC,
    clockTolerance: CLOCK_SKEW_S,
    ...(config.issuer === undefined ? {} : { issuer: config.issuer }),
    ...(config.audience === undefined
      ? {}
      : { audience: typeof config.audience === 'string' ? config.audience : [...config.audience] }),
  }
  return async (token) => {
    try {
      return await payloadOf(token, keys, { ...options, currentDate: new Date(now()) })
    } catch (error) {
      if (error instanceof GatewayError) throw error
      if (isUnreachable(error)) throw notFetched(where, error)
      if (error instanceof errors.JWKSInvalid) throw unchecked(`${where}: the key set cannot be used`, error)
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
      throw error
    }
  }
}

/** RFC 7515 §4.1.4: the `kid` is optional, and while keys are changed a set holds several that fit. */
async function payloadOf(
  token: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload
  } catch (several) {
    if (!(several instanceof errors.JWKSMultipleMatchingKeys)) throw several
    let tried = 0
    for await (const key of several) {
      if (++tried > MAX_KEYS_TRIED) break
      try {
        return (await jwtVerify(token, key, options)).payload
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

function notFetched(where: string, cause: unknown): GatewayError {
  return unchecked(`${where}: the key set cannot be fetched`, cause)
}

/** Where the keys come from is for the log alone. */
function unchecked(why: string, cause: unknown): GatewayError {
  return new GatewayError('BACKEND_FAILED', 'the token cannot be checked now', {
    cause: new GatewayError('BACKEND_FAILED', why, { cause }),
  })
}

/** jose tells its own faults from a token's by class only: a time-out, or a plain error for a wrong status or body. */
function isUnreachable(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout) return true
  return error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC'
}

function keySource(
  config: TokenConfig,
  { where, log, now }: { readonly where: string; readonly log: Log; readonly now: () => number },
): JWTVerifyGetKey {
  const { secret, jwks } = config
  if (secret !== undefined) {
    const key = new TextEncoder().encode(secret)
    return () => key
  }
  if (jwks === undefined) throw new TypeError(`${where}: secret or jwks is needed`)
  if (/^https?:/u.test(jwks)) {
    const url = new URL(jwks)
    const guarded = createFetch({
      allow: [url.host],
      connections: 1,
      responseLimitBytes: KEY_SET_BYTES,
      log,
    })
    const fetched: FetchImplementation = async (address, init) => {
      try {
        return await guarded.fetch(address, init)
      } catch (error) {
        throw notFetched(where, error)
      }
    }
    return createRemoteJWKSet(url, { timeoutDuration: 5000, [customFetch]: fetched })
  }
  const keys = keysOfFile({ file: jwks, where, lookEveryMs: LOOK_EVERY_MS, log, now })
  return async (header, token) => {
    try {
      return await keys(header, token)
    } catch (error) {
      if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSInvalid)) throw error // no key for this token
      throw unchecked(`${where}: the key set in the file cannot be used`, error)
    }
  }
}

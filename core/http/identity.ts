// Who is calling: tokens of customers and agents, keys of programs, addresses, names and passwords, the admin token.
import { type Credential, GatewayError, type Identity, isLocal, isLocalHost, type Log } from '../api.ts'
import { type Access, type Caller, type Identifier, NOBODY } from './access.ts'
import { type AddressSet, addressSet, isLoopback, plainAddress } from './addresses.ts'
import { type Digest, digest, sameDigest } from './secrets.ts'
import { createTokenCheck, type TokensConfig } from './tokens.ts'
import { identifierProblem } from '../identifier.ts'

export { loadAdminToken } from './secrets.ts'

export interface IdentityConfig extends TokensConfig {
  /** API keys of programs, by the program's name; without `channels` a key is good for all. */
  readonly keys?: Readonly<Record<string, { readonly key: string; readonly channels?: readonly string[] }>>
}

export interface IdentityOptions {
  /** Where the listener is bound: on loopback only this machine reaches it. */
  readonly host: string
  /** Where either is set, callers come by names of other machines. */
  readonly publicUrl?: string | undefined
  readonly trustedProxies?: readonly string[]
  readonly adminToken: string
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

export interface IdentityCheck extends Identifier {
  /** For credentials that did not come by HTTP: a password that is not the one of `access` counts as a token. Throws as `forHttp`. */
  forCredential(credential: Credential, channel: string, at?: Arrival): Promise<Identity>
}

/** Where a credential came, and from where. */
export interface Arrival {
  readonly access: Access | undefined
  readonly remote: string
  /** Of the handshake, where it came over a WebSocket; elsewhere there are no names. */
  readonly headers?: Caller['headers']
}

interface Program {
  readonly id: string
  readonly key: Digest
  readonly channels: readonly string[] | undefined
}

/** As the config has it. */
type OwnAccess = Exclude<Access, string | { readonly asked: unknown }>

/** `access` with its ranges compiled and its password hashed, once per object. */
interface CompiledAccess {
  readonly from: AddressSet | undefined
  readonly basic: { readonly user: Digest; readonly password: Digest; readonly name: string } | undefined
}

interface Claim {
  readonly credential: Credential
  /** Absent where the credential did not come by HTTP. */
  readonly caller?: Caller
  readonly host: string | undefined
  readonly remote: string | undefined
  readonly access: Access | undefined
  readonly channel: string
}

/**
 * Makes the check from `identity` of the config (absent: nobody is identified). Then a caller on loopback needs no
 * credential, is a program, and a bearer token, if sent, is the customer's name: for trying out, and logged as that.
 */
export function createIdentity(config: IdentityConfig | undefined, options: IdentityOptions): IdentityCheck {
  const tokens = createTokenCheck(config ?? {}, options)
  const programs = programsOf(config)
  const knownKeys = new Map<string, Program>()
  const adminDigest = digest(options.adminToken)
  const loopback = isLoopback(options.host)
  const trying = config === undefined && loopback
  const isLocalOnly =
    loopback && options.publicUrl === undefined && (options.trustedProxies ?? []).length === 0
  const compiled = new WeakMap<object, CompiledAccess>()
  let warned = false

  function identify(claim: Claim): Identity | Promise<Identity> {
    const { access, channel, credential } = claim
    if (access === 'later')
      return credential.scheme === 'none' && !trying ? NOBODY : identify({ ...claim, access: undefined })
    if (typeof access === 'object' && 'asked' in access) {
      if (trying) checkName(claim.host, trying)
      return isAbout(access.asked, credential) ? identify({ ...claim, access: access.asked }) : NOBODY
    }
    if (access === 'admin' || access === 'operator') return operator(access, claim)
    if (access === 'handler') return { role: 'program', id: channel }
    if (trying) checkName(claim.host, trying)
    const opened = access === undefined || 'open' in access ? undefined : compile(access)
    if (trying) {
      if (opened !== undefined) admit(opened, claim)
      return credential.scheme === 'bearer' ? named(credential.token) : program(opened, claim)
    }
    if (credential.scheme === 'bearer') return bearer(credential.token, channel)
    if (access === undefined) throw unknown('a bearer token or an API key is needed')
    if (isLocalOnly && isNameless(access)) checkName(claim.host, trying)
    if (opened !== undefined) admit(opened, claim)
    return program(opened, claim)
  }

  function operator(access: 'admin' | 'operator', { credential, caller }: Claim): Identity {
    const who: Identity = { role: 'program', id: 'admin' }
    if (access === 'operator' && loopback && caller !== undefined && isLocal(caller)) return who
    if (credential.scheme === 'bearer' && sameDigest(digest(credential.token), adminDigest)) return who
    throw unknown(
      'the admin token is needed (config admin.token, or the file admin.token in the data directory)',
    )
  }

  function bearer(token: string, channel: string): Identity | Promise<Identity> {
    const identity = keyOwner(token, channel) ?? tokens(token)
    return identity instanceof Promise ? identity.then(accepted) : accepted(identity)
  }

  /** Every key is compared, so that the time does not tell which one came close; a key that was right is known from then on. */
  function keyOwner(key: string, channel: string): Identity | undefined {
    if (programs.length === 0) return undefined
    const owner = knownKeys.get(key) ?? findOwner(key)
    if (owner === undefined) return undefined
    knownKeys.set(key, owner)
    if (owner.channels !== undefined && !owner.channels.includes(channel))
      throw new GatewayError('FORBIDDEN', `the key of ${owner.id} is not for the channel ${channel}`)
    return { role: 'program', id: owner.id }
  }

  function findOwner(key: string): Program | undefined {
    const presented = digest(key)
    let owner: Program | undefined
    for (const candidate of programs) if (sameDigest(candidate.key, presented)) owner = candidate
    return owner
  }

  function named(token: string): Identity {
    if (!warned)
      options.log.warn(
        "no identity is configured: bearer tokens are taken as customers' names, on loopback only",
      )
    warned = true
    const problem = identifierProblem(token)
    if (problem !== undefined) throw unknown(`the bearer token is taken as a name, and ${problem}`)
    return { role: 'customer', id: token }
  }

  function compile(access: OwnAccess): CompiledAccess {
    const known = compiled.get(access)
    if (known !== undefined) return known
    const fresh = compileAccess(access)
    compiled.set(access, fresh)
    return fresh
  }

  /** Whether one is shown; a name and a password only where they are those of `access`: others may be a proxy's, or hold a token. */
  function isAbout(access: Access | undefined, credential: Credential): boolean {
    if (credential.scheme !== 'basic') return credential.scheme === 'bearer'
    const own = isOwnAccess(access) ? compile(access).basic : undefined
    return own !== undefined && fits(own, credential)
  }

  return {
    forHttp: (caller, access, channel) => {
      const { headers, remote } = caller
      return identify({
        credential: credentialOf(caller),
        caller,
        host: headers['host'],
        remote,
        access,
        channel,
      })
    },
    forCredential: async (credential, channel, at) => {
      const claim = {
        access: at?.access,
        host: at?.headers?.['host'],
        remote: at && plainAddress(at.remote),
        channel,
      }
      if (credential.scheme !== 'basic' || isAbout(claim.access, credential))
        return identify({ ...claim, credential })
      return identify({ ...claim, credential: tokenIn(credential) })
    },
    challenge: (access, channel) =>
      hasBasic(access)
        ? `Basic realm="${realm(channel)}", charset="UTF-8"`
        : `Bearer realm="${realm(channel)}"`,
  }
}

/**
 * A page whose name was pointed at this machine after it was loaded (DNS rebinding) is at home here for its browser: where nobody
 * shows a credential, the name alone tells. Throws `FORBIDDEN` (421, RFC 9110 §15.5.20).
 */
function checkName(host: string | undefined, trying: boolean): void {
  if (isLocalHost(host)) return
  const here = 'only names of this machine are answered (localhost, 127.0.0.1, [::1])'
  const why = trying
    ? `without identity in the config ${here}, not ${JSON.stringify(host)}`
    : `without a credential ${here}, not ${JSON.stringify(host)}: http.publicUrl says that the gateway has another`
  throw new GatewayError('FORBIDDEN', why, { status: 421 })
}

/** It lets in who shows neither a credential nor a name and password. */
function isNameless(access: Access | undefined): boolean {
  return isOwnAccess(access) && !hasBasic(access)
}

/** Both conditions hold where both are given. */
function admit(access: CompiledAccess, { credential, remote }: Claim): void {
  if (access.from !== undefined && (remote === undefined || !access.from(remote)))
    throw new GatewayError('FORBIDDEN', `the address ${remote ?? 'of the caller'} is not allowed here`)
  if (access.basic === undefined) return
  if (credential.scheme !== 'basic') throw unknown('a user name and a password are needed')
  if (!fits(access.basic, credential)) throw unknown('the user name or the password is wrong')
}

function fits(
  basic: NonNullable<CompiledAccess['basic']>,
  credential: Extract<Credential, { scheme: 'basic' }>,
): boolean {
  const user = sameDigest(digest(credential.user), basic.user)
  const password = sameDigest(digest(credential.password), basic.password)
  return user && password
}

function program(access: CompiledAccess | undefined, { channel }: Claim): Identity {
  return { role: 'program', id: access?.basic?.name ?? channel }
}

function compileAccess(access: OwnAccess): CompiledAccess {
  if ('open' in access) return { from: undefined, basic: undefined }
  const { from, basic } = access
  return {
    from: from === undefined ? undefined : addressSet(from),
    basic: basic && { user: digest(basic.user), password: digest(basic.password), name: basic.user },
  }
}

function isOwnAccess(access: Access | undefined): access is OwnAccess {
  return typeof access === 'object' && !('asked' in access)
}

function hasBasic(access: Access | undefined): boolean {
  return typeof access === 'object' && 'basic' in access && access.basic !== undefined
}

function programsOf(config: IdentityConfig | undefined): readonly Program[] {
  return Object.entries(config?.keys ?? {}).map(([id, { key, channels }]) => ({
    id,
    key: digest(key),
    channels,
  }))
}

/** RFC 9110 §11.4; the scheme's name is case-insensitive. An `X-API-Key` counts as a bearer's. */
function credentialOf({ headers }: Caller): Credential {
  const apiKey = headers['x-api-key']
  const authorization = headers['authorization']
  if (authorization === undefined)
    return apiKey === undefined ? { scheme: 'none' } : { scheme: 'bearer', token: apiKey }
  const [, scheme = '', value = ''] = /^(\S+) +(\S.*)$/u.exec(authorization) ?? []
  if (scheme.toLowerCase() === 'bearer') return { scheme: 'bearer', token: value.trim() }
  if (scheme.toLowerCase() === 'basic') return basicOf(value)
  return apiKey === undefined ? { scheme: 'none' } : { scheme: 'bearer', token: apiKey }
}

/** RFC 7617 §2: the first colon ends the user name. */
function basicOf(encoded: string): Credential {
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) return { scheme: 'none' }
  return { scheme: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** MQTT has a user name and a password where others have a token. */
function tokenIn(credential: Extract<Credential, { scheme: 'basic' }>): Credential {
  const token = credential.password === '' ? credential.user : credential.password
  return token === '' ? { scheme: 'none' } : { scheme: 'bearer', token }
}

function realm(channel: string): string {
  return channel.replaceAll(/[^\w.-]/gu, '_')
}

function accepted(identity: Identity | undefined): Identity {
  if (identity === undefined) throw unknown('the token or key is not accepted')
  return identity
}

function unknown(message: string): GatewayError {
  return new GatewayError('AUTH_FAILED', message)
}

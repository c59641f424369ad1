// The core's own sections, from what the file calls things to what the gateway does.
import { isFields } from './adapter-part.ts'
import type {
  AgentConfig,
  BackendConfig,
  Config,
  HttpConfig,
  IdentityConfig,
  JwtConfig,
  StoreConfig,
} from './config.ts'
import type { Files } from './files.ts'
import { keySetAddressFault, keySetFault } from './key-set.ts'
import { pemFaults, termNotice } from './pem.ts'
import { didYouMean } from './problems.ts'
import type { Report } from './report.ts'
import type { Names } from './routes.ts'
import type { sections } from './schema-sections.ts'

export interface Around {
  readonly names: Names
  readonly report: Report
  readonly files: Files
}

/** Who may call. What it names must exist; two programs cannot share a key. */
export function identityOf(
  identity: NonNullable<ReturnType<typeof sections.identity.parse>>,
  { names, report, files }: Around,
): IdentityConfig {
  const holders = new Map<string, string>()
  for (const [program, { key, channels = [] }] of Object.entries(identity.keys ?? {})) {
    const path = ['identity', 'keys', program]
    const holder = holders.get(key)
    if (holder !== undefined) report.add([...path, 'key'], `it is the key of ${JSON.stringify(holder)} too`)
    holders.set(key, program)
    for (const [index, channel] of channels.entries()) {
      if (names.channels.has(channel)) continue
      const hint = didYouMean(channel, names.channels)
      report.add([...path, 'channels', index], `no channel is named ${JSON.stringify(channel)}${hint}`)
    }
  }
  const keySet = (who: 'customers' | 'agents'): { readonly [name in typeof who]?: JwtConfig } => {
    const jwt = identity[who]
    if (jwt?.jwks === undefined) return {}
    const path = ['identity', who, 'jwks']
    const isRemote = /^https?:\/\//u.test(jwt.jwks)
    const content = isRemote ? undefined : files.content(jwt.jwks)
    const fault = isRemote ? keySetAddressFault(jwt.jwks) : content && keySetFault(content)
    if (fault !== undefined)
      report.add(path, `${report.show(path, jwt.jwks) ?? 'the file'}${isRemote ? ':' : ''} ${fault}`)
    const jwks = isRemote ? jwt.jwks : files.readable(jwt.jwks, path)
    return { [who]: { ...jwt, jwks } }
  }
  const { jwks, audience } = identity.agents ?? {}
  if (jwks !== undefined && audience === undefined)
    report.notice(
      ['identity', 'agents'],
      'every token of theirs that has `roles` belongs to the desk and reads every customer; `audience` says which ones are meant',
    )
  return { ...identity, ...keySet('customers'), ...keySet('agents') }
}

/** Nobody on another machine reaches it. */
export function isLocal(host: string): boolean {
  return host === 'localhost' || /^127(?:\.\d{1,3}){3}$/u.test(host) || /^\[?::1\]?$/u.test(host)
}

/** As far as it is known: what of it has a problem is left out. */
export interface Listener {
  readonly host: unknown
  readonly publicUrl?: string
  readonly trustedProxies?: readonly string[]
}

/** Callers of other machines come, straight or through a proxy on this one, which `publicUrl` or `trustedProxies` speak of. */
export function isReachable(listener: Listener): boolean {
  return reachOf(listener) !== undefined
}

/** DESIGN §16, Callers: without identity only loopback is served; a channel's own `access` does not lift it. */
export function checkReach(listener: Listener, identity: unknown, report: Report): void {
  if (isFields(identity) && Object.keys(identity).length > 0) return
  const reach = reachOf(listener)
  if (reach === undefined) return
  const { key, value, why, instead } = reach
  const shown = report.show(['http', key], value) ?? 'it'
  report.add(
    ['http', key],
    `${shown} ${why}, and nothing says who may call: add "identity" (customers, agents or keys), or ${instead}`,
  )
}

/** Who is given the gateway's own address, to come back to. */
export interface GivenOut {
  readonly agents: Iterable<Pick<AgentConfig, 'adapter'> | undefined>
  readonly backends: Iterable<Pick<BackendConfig, 'operations'> | undefined>
}

/** The listener's own address stands in for `publicUrl`, and on all addresses it has none. */
export function noticeGivenOut(
  { host, port, publicUrl, tls }: HttpConfig,
  to: GivenOut,
  report: Report,
): void {
  if (publicUrl !== undefined || !isUnspecified(host)) return
  const bots = [...to.agents].some((agent) => agent?.adapter === 'webhook')
  const callers = [...to.backends].some((backend) =>
    Object.values(backend?.operations ?? {}).some(({ onFailure }) => onFailure === 'queue'),
  )
  const who = [...(bots ? ['bots'] : []), ...(callers ? ['callers of queued writes'] : [])]
  if (who.length === 0) return
  const address = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
  report.notice(
    ['http', 'host'],
    `${who.join(' and ')} are given ${address}/…, where they reach nobody: set http.publicUrl to the gateway’s address as they see it`,
  )
}

/** `0.0.0.0` and `::`, however they are written: all addresses of this machine. */
function isUnspecified(host: string): boolean {
  return /^[0.]+$|^[0:]+$/u.test(host)
}

interface Reach {
  readonly key: string
  readonly value: string
  /** Follows the value. */
  readonly why: string
  readonly instead: string
}

function reachOf({ host, publicUrl, trustedProxies = [] }: Listener): Reach | undefined {
  if (typeof host === 'string' && host !== '' && !isLocal(host))
    return {
      key: 'host',
      value: host,
      why: 'can be reached from other machines',
      instead: 'listen on 127.0.0.1',
    }
  const instead = 'leave it out'
  if (publicUrl !== undefined && !isLocal(URL.parse(publicUrl)?.hostname ?? ''))
    return { key: 'publicUrl', value: publicUrl, why: 'is no address of this machine alone', instead }
  const value = trustedProxies.join(', ')
  if (value !== '')
    return { key: 'trustedProxies', value, why: 'may bring callers of other machines', instead }
  return undefined
}

/** The listener; what its files hold must be of use to a start. */
export function httpOf(
  http: ReturnType<typeof sections.http.parse>,
  files: Files,
  report: Report,
): HttpConfig {
  const { bodyLimit, headerTimeout, requestTimeout, keepAliveTimeout, headerLimit, tls, ...rest } = http
  const pem = (name: 'cert' | 'key' | 'ca', text: string): string =>
    files.readable(text, ['http', 'tls', name])
  if (tls !== undefined) checkPem(tls, files, report)
  return {
    ...rest,
    bodyLimitBytes: bodyLimit,
    headerTimeoutMs: headerTimeout,
    requestTimeoutMs: requestTimeout,
    keepAliveTimeoutMs: keepAliveTimeout,
    maxHeaderBytes: headerLimit,
    ...(tls !== undefined && {
      tls: {
        certFile: pem('cert', tls.cert),
        keyFile: pem('key', tls.key),
        ...(tls.ca !== undefined && { caFile: pem('ca', tls.ca) }),
      },
    }),
  }
}

function checkPem(
  tls: NonNullable<ReturnType<typeof sections.http.parse>['tls']>,
  files: Files,
  report: Report,
): void {
  const { cert, key, ca } = tls
  const contents = {
    cert: files.content(cert),
    key: files.content(key),
    ca: ca === undefined ? undefined : files.content(ca),
  }
  const named = (of: 'cert' | 'key' | 'ca'): string => report.show(['http', 'tls', of], tls[of]) ?? 'the file'
  for (const { of, message } of pemFaults(contents))
    report.add(['http', 'tls', of], `${named(of)} ${message}`)
  const term = contents.cert && termNotice(contents.cert)
  if (term !== undefined) report.notice(['http', 'tls', 'cert'], `${named('cert')} ${term}`)
}

/** What is remembered; the files for TLS must be readable. */
export function storeOf(store: ReturnType<typeof sections.store.parse>, files: Files): StoreConfig {
  const { tls, retention, dedupe, ...rest } = store
  const pem = (name: 'cert' | 'key' | 'ca'): string | undefined => {
    const text = tls?.[name]
    return text === undefined ? undefined : files.readable(text, ['store', 'tls', name])
  }
  const [caFile, certFile, keyFile] = [pem('ca'), pem('cert'), pem('key')]
  return {
    ...rest,
    ...(tls !== undefined && {
      tls: {
        ...(caFile !== undefined && { caFile }),
        ...(certFile !== undefined && { certFile }),
        ...(keyFile !== undefined && { keyFile }),
      },
    }),
    retention: { ageMs: retention.age, maxBytes: retention.size },
    dedupeMs: dedupe,
  }
}

/** Last good answers. */
export function cacheOf({ entries, size }: ReturnType<typeof sections.cache.parse>): Config['cache'] {
  return { maxEntries: entries, maxBytes: size }
}

/** One conversation’s waiting work. */
export function lanesOf({ limit, hold, attempts }: ReturnType<typeof sections.lanes.parse>): Config['lanes'] {
  return { limit, holdMs: hold, attempts }
}

/** How often somebody may call. What it names must exist. */
export function limitsOf(
  limits: ReturnType<typeof sections.limits.parse>,
  { names, report }: Pick<Around, 'names' | 'report'>,
): Config['limits'] {
  return Object.fromEntries(
    Object.entries(limits).map(([name, { per, ...limit }]) => {
      const { channel } = limit
      if (channel !== undefined && !names.channels.has(channel)) {
        const hint = didYouMean(channel, names.channels)
        report.add(['limits', name, 'channel'], `no channel is named ${JSON.stringify(channel)}${hint}`)
      }
      return [name, { ...limit, perMs: per }]
    }),
  )
}

/** What is begun when more comes than can be done. */
export function overloadOf({
  turn,
  wait,
  dryRun,
}: ReturnType<typeof sections.overload.parse>): Config['overload'] {
  return { turnMs: turn, waitMs: wait, dryRun }
}

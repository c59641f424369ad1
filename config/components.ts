// Channels, backends and agents: the core's keys are taken out, the adapter's own schema sees the rest.
import { adapterPart, isFields, isSafeBy, offeredBy } from './adapter-part.ts'
import type { Context, Fields } from './adapter-part.ts'
import { check } from './check.ts'
import type {
  AgentConfig,
  ComponentConfig,
  BackendConfig,
  BackendOperationConfig,
  BreakerConfig,
  CacheConfig,
} from './config.ts'
import type { CallsConfig, ChannelConfig, ChannelOperationConfig, RetryConfig } from './config.ts'
import type { Files } from './files.ts'
import { withNamedChannel } from './named-channel.ts'
import { didYouMean } from './problems.ts'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'
import { agentKeys, backendKeys, backendOperation, channelKeys, channelOperation } from './schema.ts'
import { NAME } from './values.ts'

/** `undefined` for what could not be resolved: it has been reported. */
export type Resolved<T> = ReadonlyMap<string, T | undefined>

/** Resolves the section `channels`. */
export function resolveChannels(context: Context): Resolved<ChannelConfig> {
  const { report } = context
  return resolveEach('channels', report, (id, raw, path) => {
    const { operations: rawOperations, ...rest } = raw
    const [mine, theirs] = split(rest, channelKeys.shape)
    const core = check(channelKeys, { value: mine, path }, report)
    const operations = record<ChannelOperationConfig>()
    for (const [name, value] of entriesOf(rawOperations, [...path, 'operations'], report)) {
      const at = [...path, 'operations', name]
      if (name === '*')
        report.add(at, `"*" stands for any operation of a backend; in a channel each has its name`, 'key')
      const operation = check(channelOperation, { value, path: at }, report)
      if (operation !== undefined) operations[name] = operation.value
    }
    const part = adapterPart('channel', { id, raw, path, config: theirs }, context)
    if (core === undefined || part === undefined) return undefined
    const { access, bodyLimit, inDoubt, priority } = core.value
    return {
      ...part,
      operations,
      inDoubt,
      priority,
      ...(access !== undefined && { access: access === 'open' ? { open: true } : access }),
      ...(bodyLimit !== undefined && { bodyLimitBytes: bodyLimit }),
    }
  })
}

/** Resolves the section `backends`. */
export function resolveBackends(
  context: Context,
  channels: Resolved<ChannelConfig>,
): Resolved<BackendConfig> {
  const { report, files } = context
  return resolveEach('backends', report, (id, raw, path) => {
    const { operations: rawOperations, ...rest } = raw
    const [mine, theirs] = split(rest, backendKeys.shape)
    const core = check(backendKeys, { value: mine, path }, report)
    const operations = record<BackendOperationConfig>()
    const left = record<Fields>()
    for (const [name, value] of entriesOf(rawOperations, [...path, 'operations'], report)) {
      const [coreKeys, adapterKeys] = split(value, backendOperation.shape)
      left[name] = adapterKeys
      const at = [...path, 'operations', name]
      const operation = check(backendOperation, { value: coreKeys, path: at }, report)
      if (operation === undefined) continue
      const { timeout, breaker, cache, retry, ...others } = operation.value
      operations[name] = {
        ...others,
        ...(timeout !== undefined && { timeoutMs: timeout }),
        ...(breaker !== undefined && core && { breaker: breakerOf({ ...core.value.breaker, ...breaker }) }),
        ...(retry !== undefined && core && { retry: retryOf({ ...core.value.retry, ...retry }) }),
        ...(cache !== undefined && { cache: cacheOf(cache) }),
      }
    }
    const anyLeft = Object.values(left).some((keys) => Object.keys(keys).length > 0)
    const named = withNamedChannel({ theirs, raw, path }, channels, context)
    const config = { ...named?.theirs, ...(anyLeft && { operations: left }) }
    const part = named && adapterPart('backend', { id, raw: named.raw, path, config, left }, context)
    const isSafe = part === undefined ? () => undefined : isSafeBy(part, context.adapters)
    checkStandIns(operations, { path: [...path, 'operations'], isSafe }, report)
    checkQueues(operations, { path: [...path, 'operations'], isSafe }, report)
    if (named === undefined || core === undefined || part === undefined) return undefined
    checkOffered(operations, { part, path }, context)
    const { retry } = core.value
    const { channel } = named
    return {
      ...part,
      ...(channel !== undefined && { channel }),
      ...callsOf(core.value, files, path),
      retry: retryOf(retry),
      retryBudget: retry.budget,
      operations,
    }
  })
}

/** Resolves the section `agents`. */
export function resolveAgents(context: Context): Resolved<AgentConfig> {
  const { report, files } = context
  return resolveEach('agents', report, (id, raw, path) => {
    const [mine, theirs] = split(raw, agentKeys.shape)
    const core = check(agentKeys, { value: mine, path }, report)
    const part = adapterPart('agent', { id, raw, path, config: theirs }, context)
    if (core === undefined || part === undefined) return undefined
    return {
      ...part,
      ...callsOf(core.value, files, path),
      callbackWithinMs: core.value.callbackWithin,
    }
  })
}

/** A map's entries; null (a key with nothing behind it) counts as an empty map, also as an entry. */
export function entriesOf(
  value: unknown,
  path: Path,
  report: Report,
): readonly (readonly [string, Fields])[] {
  if (value === undefined || value === null) return []
  if (!isFields(value)) {
    report.add(path, 'it must be a map of names')
    return []
  }
  return Object.entries(value).flatMap(([name, entry]) => {
    if (entry === null) return [[name, {}] as const]
    if (isFields(entry)) return [[name, entry] as const]
    report.add([...path, name], 'it must be a map of keys')
    return []
  })
}

// ─── The parts of one component ──────────────────────────────────────────────────────────────────────────────────────

function resolveEach<T>(
  section: 'channels' | 'backends' | 'agents',
  report: Report,
  resolve: (id: string, raw: Fields, path: Path) => T | undefined,
): Resolved<T> {
  const { root } = report.tree
  const entries = entriesOf(isFields(root) ? root[section] : undefined, [section], report)
  const resolved = new Map<string, T | undefined>()
  for (const [id, raw] of entries) {
    const path = [section, id]
    if (!NAME.test(id))
      report.add(
        path,
        'a name has letters, digits, _ and -, begins with a letter or digit, at most 63',
        'key',
      )
    resolved.set(id, resolve(id, raw, path))
  }
  return resolved
}

/** The keys the core knows, and the others. */
function split(raw: Fields, known: object): readonly [Fields, Fields] {
  const mine = record<unknown>()
  const others = record<unknown>()
  for (const [key, value] of Object.entries(raw)) {
    const side = Object.hasOwn(known, key) ? mine : others
    side[key] = value
  }
  return [mine, others]
}

type CallKeys = Pick<
  ReturnType<typeof backendKeys.parse>,
  'timeout' | 'breaker' | 'bulkhead' | 'tls' | 'connections' | 'responseLimit'
>

function callsOf(keys: CallKeys, files: Files, path: Path): CallsConfig {
  const { tls } = keys
  const file = (name: 'ca' | 'cert' | 'key'): { readonly [each in typeof name]?: string } => {
    const given = tls?.[name]
    return given === undefined ? {} : { [name]: files.readable(given, [...path, 'tls', name]) }
  }
  return {
    timeoutMs: keys.timeout,
    breaker: breakerOf(keys.breaker),
    bulkhead: { maxCalls: keys.bulkhead.calls, dryRun: keys.bulkhead.dryRun },
    connections: keys.connections,
    responseLimitBytes: keys.responseLimit,
    ...(tls !== undefined && { tls: { ...tls, ...file('ca'), ...file('cert'), ...file('key') } }),
  }
}

function breakerOf(keys: CallKeys['breaker']): BreakerConfig {
  const { errorRate, minimumCalls, window, openFor, slow, slowRate } = keys
  const slowness = { ...(slow !== undefined && { slowMs: slow }), slowRate }
  return { errorRate, minimumCalls, windowMs: window, openForMs: openFor, ...slowness }
}

function retryOf({ attempts, first, longest }: ReturnType<typeof backendKeys.parse>['retry']): RetryConfig {
  return { attempts, firstMs: first, longestMs: longest }
}

type CacheKeys = NonNullable<ReturnType<typeof backendOperation.parse>['cache']>

function cacheOf({ fresh, revalidate = fresh, stale, staleAfterWrite }: CacheKeys): CacheConfig {
  return { freshMs: fresh, revalidateMs: revalidate, staleMs: stale, staleAfterWrite }
}

/** A setting for an operation that the backend does not have says nothing to anybody. */
function checkOffered(
  operations: Readonly<Record<string, BackendOperationConfig>>,
  { part, path }: { readonly part: ComponentConfig; readonly path: Path },
  { adapters, report }: Context,
): void {
  const offered = offeredBy(part, adapters)
  if (offered === undefined) return
  for (const name of Object.keys(operations)) {
    if (name === '*' || offered.includes(name)) continue
    const problem = `the backend has no operation ${JSON.stringify(name)}${didYouMean(name, offered)}`
    report.add([...path, 'operations', name], problem, 'key')
  }
}

interface Safety {
  readonly path: Path
  /** The adapter's word, where the config has none. */
  readonly isSafe: (operation: string) => boolean | undefined
}

/** What is read is not done later, and a queue that is none has no rules. */
function checkQueues(
  operations: Readonly<Record<string, BackendOperationConfig>>,
  { path, isSafe }: Safety,
  report: Report,
): void {
  for (const [name, { safe, onFailure, queueKey, onPoison }] of Object.entries(operations)) {
    if (onFailure !== undefined && (safe ?? isSafe(name)) === true)
      report.add([...path, name, 'onFailure'], 'only what is not safe is queued: a read has "cache"', 'key')
    for (const [key, given] of Object.entries({ queueKey, onPoison }))
      if (given !== undefined && onFailure === undefined)
        report.add([...path, name, key], 'it needs "onFailure: queue" beside it', 'key')
  }
}

/** An old answer never stands in for a write, and a name that is invalidated must be one that is kept. */
function checkStandIns(
  operations: Readonly<Record<string, BackendOperationConfig>>,
  { path, isSafe }: Safety,
  report: Report,
): void {
  const kept = Object.keys(operations).filter((name) => operations[name]?.cache !== undefined)
  for (const [name, { safe, cache, static: fixed, invalidates = [] }] of Object.entries(operations)) {
    for (const [key, given] of [
      ['cache', cache],
      ['static', fixed],
    ] as const)
      if (given !== undefined && (safe ?? isSafe(name)) === false) {
        const instead = safe === undefined ? '; one that only reads says "safe: true"' : ''
        report.add(
          [...path, name, key],
          `it needs an operation that is safe: no old answer stands in for a write${instead}`,
          'key',
        )
      }
    for (const [index, other] of invalidates.entries()) {
      if (other === '*' || kept.includes(other)) continue
      const at = [...path, name, 'invalidates', index]
      report.add(at, `${report.show(at, other) ?? 'it'} has no "cache" here${didYouMean(other, kept)}`)
    }
  }
}

function record<T>(): Record<string, T> {
  return Object.create(null) // null prototype: names come from the file
}

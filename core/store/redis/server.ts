// What a Redis server says of itself: what it is, its memory, and what of a write survives what.
import { createHash } from 'node:crypto'
import { ReplyError } from 'ioredis'
import type { Redis } from 'ioredis'

export interface ServerFacts {
  /** With its name, where it is not Redis. */
  readonly version: string
  /** What it would have to be; undefined: it will do. */
  readonly needed: string | undefined
  readonly role: string
  readonly replicationId: string
  /** Whether all that were asked have the same data. */
  readonly isOne: boolean
  /** Each of those that were asked, once. */
  readonly masters: readonly Master[]
  readonly usedMemory: number
  /** 0: without a limit. */
  readonly maxMemory: number
  readonly evictionPolicy: string
  readonly appendOnly: boolean
}

export interface Master {
  readonly replicationId: string
  /** Those that follow it. */
  readonly replicas: number
}

/** Throws what the connection throws, and an `Error` for what is no such answer. */
export async function readServer(redis: Redis): Promise<ServerFacts> {
  const facts = new Map(
    (await redis.info())
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const),
  )
  const text = (name: string): string => facts.get(name) ?? ''
  const version = text('redis_version')
  if (version === '' || text('role') === '') throw new Error('it does not say what it is')
  const replicationId = text('master_replid')
  const replicas = [...facts].filter(
    ([name, value]) => /^slave\d+$/.test(name) && value.includes('state=online'),
  ).length
  const valkey = facts.get('valkey_version')
  return {
    version: valkey === undefined ? `Redis ${version}` : `Valkey ${valkey}`,
    needed: neededOf(version, text('arch_bits')),
    role: text('role'),
    replicationId,
    isOne: true,
    masters: [{ replicationId, replicas }],
    usedMemory: Number(text('used_memory')),
    maxMemory: Number(text('maxmemory')),
    evictionPolicy: text('maxmemory_policy'),
    appendOnly: text('aof_enabled') === '1',
  }
}

/** The answers of several lines or masters as one: the worst of each. Throws for none. */
export function together(all: readonly ServerFacts[]): ServerFacts {
  const [first, ...others] = all
  if (first === undefined) throw new Error('no node of it is known')
  if (others.length === 0) return first
  const unfit = all.find(({ needed }) => needed !== undefined)
  const fullest = all.toSorted((a, b) => fullness(b) - fullness(a))[0] ?? first
  const ids = new Set(all.map(({ replicationId }) => replicationId))
  return {
    version: unfit?.version ?? first.version,
    needed: unfit?.needed,
    role: all.find(({ role }) => role !== 'master')?.role ?? 'master',
    replicationId:
      ids.size === 1
        ? first.replicationId
        : createHash('sha1')
            .update([...ids].toSorted().join())
            .digest('hex'),
    isOne: ids.size === 1,
    masters: [
      ...new Map(all.flatMap(({ masters }) => masters).map((one) => [one.replicationId, one])).values(),
    ],
    usedMemory: fullest.usedMemory,
    maxMemory: fullest.maxMemory,
    evictionPolicy:
      all.find(({ evictionPolicy }) => evictionPolicy !== 'noeviction')?.evictionPolicy ?? 'noeviction',
    appendOnly: all.every(({ appendOnly }) => appendOnly),
  }
}

function fullness({ usedMemory, maxMemory }: ServerFacts): number {
  return maxMemory === 0 ? 0 : usedMemory / maxMemory
}

function neededOf(version: string, bits: string): string | undefined {
  if (isBefore(version, 6, 2)) return '6.2 or later is needed'
  return bits === '32'
    ? 'a build of 64 bits is needed, its scripts count in numbers of the machine'
    : undefined
}

function isBefore(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split('.').map(Number)
  return first < major || (first === major && second < minor)
}

export type Fsync = 'always' | 'everysec' | 'no' | 'always but while it rewrites' | undefined

/** Undefined where a server does not let itself be asked; of several the weakest. */
export async function readFsync(nodes: readonly Redis[]): Promise<Fsync> {
  const all = await Promise.all(nodes.map(fsyncOf))
  for (const one of [undefined, 'no', 'everysec', 'always but while it rewrites'] as const)
    if (all.includes(one)) return one
  return 'always'
}

async function fsyncOf(redis: Redis): Promise<Fsync> {
  try {
    const fsync = await settingOf(redis, 'appendfsync')
    if (fsync === 'no' || fsync === 'everysec') return fsync
    if (fsync !== 'always') return undefined
    // It comes first: with it nothing is synced while the server rewrites its file.
    const pauses = await settingOf(redis, 'no-appendfsync-on-rewrite')
    return pauses === 'no' ? 'always' : 'always but while it rewrites'
  } catch (error) {
    if (error instanceof ReplyError) return undefined // CONFIG is renamed or forbidden on many a hosted server
    throw error
  }
}

async function settingOf(redis: Redis, name: string): Promise<unknown> {
  const answer = await redis.config('GET', name)
  return Array.isArray(answer) ? answer[1] : undefined
}

export interface Durability {
  /** One sentence for the log: what a power loss and a failover can cost. */
  readonly says: string
  /** What is acknowledged survives a power loss, and a failover to any that acknowledged. */
  readonly isStrict: boolean
}

/**
 * DESIGN §13: said at start, never assumed. `neededBy`: how many replicas of the master with this replication id must have a write before
 * it is acknowledged.
 */
export function durabilityOf(
  { appendOnly, masters }: Pick<ServerFacts, 'appendOnly' | 'masters'>,
  fsync: Fsync,
  neededBy: (replicationId: string) => number,
): Durability {
  const all = masters
    .map(({ replicationId, replicas }) => ({ replicas, waited: neededBy(replicationId) }))
    .toSorted((a, b) => a.replicas - b.replicas)
  const failovers = new Set(all.map(failover))
  return {
    says: `${powerLoss(appendOnly, fsync)}; ${[...failovers].join(', at another master ')}`,
    isStrict:
      appendOnly &&
      fsync === 'always' &&
      all.every(({ replicas, waited }) => waited <= replicas && (replicas === 0 || waited > 0)),
  }
}

/** Why no gateway that wants `strict` uses it; undefined: it does. */
export function tooWeak({ says, isStrict }: Durability): string | undefined {
  return isStrict ? undefined : `durability is "strict" and Redis gives less: ${says}`
}

function powerLoss(appendOnly: boolean, fsync: Fsync): string {
  if (!appendOnly)
    return 'a crash of Redis or a power loss costs everything since its last snapshot (appendonly no)'
  switch (fsync) {
    case 'always':
      return 'a power loss costs nothing that was acknowledged (appendfsync always)'
    case 'everysec':
      return 'a power loss may cost about the last second (appendfsync everysec)'
    case 'no':
      return 'a power loss may cost about the last half minute (appendfsync no)'
    case 'always but while it rewrites':
      return 'a power loss while Redis rewrites its file may cost what came since it began (no-appendfsync-on-rewrite yes)'
    case undefined:
      return 'what a power loss costs is not known: the server does not say its appendfsync (CONFIG is not allowed here)'
  }
}

function failover({ replicas, waited }: { readonly replicas: number; readonly waited: number }): string {
  if (replicas === 0 && waited === 0) return 'there is no replica to fail over to'
  const count = replicas === 1 ? 'its replica' : `one of its ${replicas} replicas`
  if (waited === 0) return `a failover to ${count} may cost what had not reached it yet`
  if (waited > replicas)
    return `${waited} replicas are to acknowledge each write and ${replicas} follow: nothing is acknowledged until more do`
  if (waited < replicas)
    return `a failover costs nothing that was acknowledged if it is to one of those ${waited} of ${replicas} replicas that acknowledged`
  return `a failover to ${count} costs nothing that was acknowledged (WAIT ${waited})`
}

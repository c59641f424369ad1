// What a Redis server says of itself: what it is, its memory, and what of a write survives what.
import type { Redis } from 'ioredis'

export interface ServerFacts {
  readonly version: string
  readonly role: string
  readonly replicationId: string
  readonly replicas: number
  readonly usedMemory: number
  /** 0: without a limit. */
  readonly maxMemory: number
  readonly evictionPolicy: string
  readonly appendOnly: boolean
}

/** Throws what the connection throws. */
export async function readServer(redis: Redis): Promise<ServerFacts> {
  const facts = new Map(
    (await redis.info())
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const),
  )
  const text = (name: string): string => facts.get(name) ?? ''
  return {
    version: text('redis_version'),
    role: text('role'),
    replicationId: text('master_replid'),
    replicas: Number(text('connected_slaves')),
    usedMemory: Number(text('used_memory')),
    maxMemory: Number(text('maxmemory')),
    evictionPolicy: text('maxmemory_policy'),
    appendOnly: text('aof_enabled') === '1',
  }
}

/** `always`, `everysec`, `no`; undefined where the server does not let itself be asked. */
export async function readFsync(redis: Redis): Promise<string | undefined> {
  try {
    const answer = await redis.config('GET', 'appendfsync')
    return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined
  } catch {
    return undefined // CONFIG is renamed or forbidden on many a hosted server: then it is not known
  }
}

export interface Durability {
  /** One sentence for the log: what a power loss and a failover can cost. */
  readonly says: string
  /** What is acknowledged survives a power loss. */
  readonly isStrict: boolean
}

/** DESIGN §13: said at start, never assumed. */
export function durabilityOf(
  { appendOnly, replicas }: Pick<ServerFacts, 'appendOnly' | 'replicas'>,
  fsync: string | undefined,
): Durability {
  const isStrict = appendOnly && fsync === 'always'
  return {
    says: `${powerLoss(appendOnly, fsync)}; ${failover(replicas)}`,
    isStrict: isStrict && replicas === 0,
  }
}

function powerLoss(appendOnly: boolean, fsync: string | undefined): string {
  if (!appendOnly)
    return 'a crash of Redis or a power loss costs everything since its last snapshot (appendonly no)'
  switch (fsync) {
    case 'always':
      return 'a power loss costs nothing that was acknowledged (appendfsync always)'
    case 'everysec':
      return 'a power loss may cost about the last second (appendfsync everysec)'
    case 'no':
      return 'a power loss may cost about the last half minute (appendfsync no)'
    default:
      return 'what a power loss costs is not known: the server does not say its appendfsync'
  }
}

function failover(replicas: number): string {
  if (replicas === 0) return 'there is no replica to fail over to'
  const count = replicas === 1 ? 'its replica' : `one of its ${replicas} replicas`
  return `a failover to ${count} may cost what had not reached it yet`
}

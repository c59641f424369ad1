// Several gateway processes on one real Redis: who holds which partition, by Redis' own words.
import { Redis } from 'ioredis'
import { metaKey, partitionOf, PARTITIONS } from '../../core/store/redis/partitions.ts'
import { startGateway, until } from './gateway.ts'
import type { GatewayProcess } from './gateway.ts'
import { RedisServer } from './redis-server.ts'

export const ADMIN_TOKEN = 'token-of-many-instances-0123456789'

export interface Instance {
  readonly id: string
  readonly gateway: GatewayProcess
}

/** Starts, stops, kills and freezes them. */
export class Instances implements AsyncDisposable {
  readonly server: RedisServer
  readonly redis: Redis
  readonly yaml: string
  readonly #all: Instance[] = []

  static async start(count: number, yaml: (redis: string) => string): Promise<Instances> {
    const server = await RedisServer.start()
    const redis = new Redis(server.url)
    const instances = new Instances(server, redis, yaml(server.url))
    try {
      await Promise.all(Array.from({ length: count }, () => instances.add()))
      return instances
    } catch (error) {
      await instances[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(server: RedisServer, redis: Redis, yaml: string) {
    this.server = server
    this.redis = redis
    this.yaml = yaml
  }

  async add(): Promise<Instance> {
    const gateway = await startGateway({ yaml: this.yaml })
    const instance = { gateway, id: await idOf(gateway) }
    this.#all.push(instance)
    return instance
  }

  /** Those that were started and not taken out. */
  async list(): Promise<readonly Instance[]> {
    return [...this.#all]
  }

  takeOut({ gateway }: Instance): void {
    this.#all.splice(
      this.#all.findIndex((one) => one.gateway === gateway),
      1,
    )
  }

  /** The instance that holds the home's partition by now. */
  async holderOf(home: string): Promise<string | undefined> {
    return this.#holder(partitionOf(home, PARTITIONS))
  }

  /** How many partitions each holds. */
  async shares(): Promise<ReadonlyMap<string, number>> {
    const holders = await Promise.all(Array.from({ length: PARTITIONS }, (_, number) => this.#holder(number)))
    const shares = new Map<string, number>()
    for (const holder of holders) if (holder !== undefined) shares.set(holder, (shares.get(holder) ?? 0) + 1)
    return shares
  }

  /** Resolves when all partitions are held, and nobody has more than one more than another. */
  async shared(count: number, ms = 60_000): Promise<void> {
    await until(async () => {
      const held = [...(await this.shares()).values()]
      const total = held.reduce((sum, one) => sum + one, 0)
      const isEven = Math.max(...held) - Math.min(...held) <= 1
      return (held.length === count && total === PARTITIONS && isEven) || undefined
    }, ms)
  }

  /** The first name like this whose home is held by that instance. */
  async nameAt(instance: Instance, prefix: string, homeOf: (name: string) => string): Promise<string> {
    for (let n = 0; n < 1000; n++) {
      const name = `${prefix}${n}`
      if ((await this.holderOf(homeOf(name))) === instance.id) return name
    }
    throw new Error(`${instance.id} holds nothing`)
  }

  async #holder(number: number): Promise<string | undefined> {
    const key = metaKey('dragoman:', number).replace(/meta$/u, `lease:partition/${number}`)
    const [owner, expires] = await this.redis.hmget(key, 'owner', 'expires')
    const [seconds] = await this.redis.time()
    return owner === null || Number(expires) < Number(seconds) * 1000 ? undefined : owner
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(({ gateway }) => gateway[Symbol.asyncDispose]()))
    this.redis.disconnect()
    await this.server[Symbol.asyncDispose]()
  }
}

/** Asked again while its store is slow to answer. */
function idOf(gateway: GatewayProcess): Promise<string> {
  return until(async () => {
    const response = await fetch(`${gateway.base}/admin/v1/status`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    const text = await response.text()
    if (response.ok) return (JSON.parse(text) as { readonly instance: string }).instance // what the gateway promises
    if (response.status !== 503) throw new Error(`${response.status} ${text}`)
    return undefined
  })
}

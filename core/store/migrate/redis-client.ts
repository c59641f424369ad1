// Redis as a migration needs it: the partitions' keys, commands by the hundred in one round trip, and who uses the data.
import { Redis } from 'ioredis'
import { GatewayError } from '../../api.ts'
import { metaKey } from '../redis/partitions.ts'
import { MOVING_SCRIPTS } from '../redis/scripts.ts'
import { readServer } from '../redis/server.ts'
import type { ServerFacts } from '../redis/server.ts'

export type Word = string | number | Uint8Array
export type Reply = string | number | null | Buffer | readonly Reply[]
export type Command = readonly [name: string, ...words: Word[]]

/** One batch may take longer than an operation of a gateway. */
const COMMAND_MS = 30_000
const SCAN_KEYS = 5000
const DAY_MS = 86_400_000

export class RedisClient implements AsyncDisposable {
  readonly prefix: string
  readonly #redis: Redis

  constructor(url: string, prefix: string) {
    this.prefix = prefix
    this.#redis = new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_MS,
      connectTimeout: COMMAND_MS,
      // A migration that lost its server ends; it is started again and goes on.
      retryStrategy: () => null,
    })
    this.#redis.on('error', () => undefined) // what is asked then says so
  }

  async open(): Promise<void> {
    await this.#guarded(() => this.#redis.connect())
  }

  /** A key of one partition; `name` as the scripts have it, behind the tag. */
  key(partition: number, name: string): string {
    return `${metaKey(this.prefix, partition).slice(0, -'meta'.length)}${name}`
  }

  /** All in one round trip, answers as text. */
  ask(commands: readonly Command[]): Promise<readonly Reply[]> {
    return this.#many(commands, 'call')
  }

  /** The same with answers as bytes. */
  askBytes(commands: readonly Command[]): Promise<readonly Reply[]> {
    return this.#many(commands, 'callBuffer')
  }

  /** Runs a script of the migration in each partition given, in one round trip. */
  async runAll(
    name: keyof typeof MOVING_SCRIPTS,
    asked: readonly { readonly partition: number; readonly words: readonly Word[] }[],
  ): Promise<readonly Reply[]> {
    const { text, sha } = MOVING_SCRIPTS[name]
    await this.ask([['SCRIPT', 'LOAD', text]])
    return this.ask(
      asked.map(({ partition, words }) => [
        'EVALSHA',
        sha,
        1,
        metaKey(this.prefix, partition),
        '',
        '',
        ...words,
      ]),
    )
  }

  facts(): Promise<ServerFacts> {
    return this.#guarded(() => readServer(this.#redis))
  }

  /** Keys of a kind in all partitions, a step of the server's walk at a time; a key may come twice. */
  async *scan(
    kind: string,
    from = '0',
  ): AsyncGenerator<{ readonly keys: readonly string[]; readonly next: string }> {
    const pattern = `${this.prefix.replaceAll(/[\\*?[\]]/gu, '\\$&')}{p*}:${kind}*`
    let cursor = from
    do {
      const at = cursor
      const [next, keys] = await this.#guarded(() =>
        this.#redis.scan(at, 'MATCH', pattern, 'COUNT', SCAN_KEYS),
      )
      cursor = next
      yield { keys, next }
    } while (cursor !== '0')
  }

  /** Names and milliseconds of the leases that somebody holds now. */
  async liveLeases(partitions: number): Promise<readonly (readonly [name: string, remainingMs: number])[]> {
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    const [time, ...clocks] = await this.ask([
      ['TIME'],
      ...all.map((partition): Command => ['HMGET', this.key(partition, 'meta'), 'clock', 'wall']),
    ])
    const [seconds, micros] = texts(time)
    const wall = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
    const found = await this.ask(
      all.map((partition): Command => ['ZRANGE', this.key(partition, 'leases'), 0, -1, 'WITHSCORES']),
    )
    return all.flatMap((partition) => {
      const [clock, stamped] = texts(clocks[partition])
      const passed = Math.max(0, Math.min(wall - Number(stamped), DAY_MS))
      const cells = texts(found[partition])
      return cells.flatMap((name, index) => {
        const remainingMs = Number(cells[index + 1]) - (Number(clock) + passed)
        return index % 2 === 0 && remainingMs > 0 ? [[name, remainingMs] as const] : []
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
    await Promise.resolve()
  }

  async #many(commands: readonly Command[], how: 'call' | 'callBuffer'): Promise<readonly Reply[]> {
    if (commands.length === 0) return []
    const pipeline = this.#redis.pipeline()
    for (const [name, ...words] of commands)
      pipeline[how](name, ...words.map((word) => (word instanceof Uint8Array ? Buffer.from(word) : word)))
    const replies = await this.#guarded(() => pipeline.exec())
    return (replies ?? []).map(([error, reply]) => {
      if (error !== null) throw unavailable(error)
      return reply as Reply // what the protocol has
    })
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw unavailable(error)
    }
  }
}

/** A list of texts; what is missing is ''. */
export function texts(reply: Reply | undefined): readonly string[] {
  return Array.isArray(reply) ? reply.map((one: Reply) => String(one ?? '')) : []
}

/** A hash as a map. */
export function hash(reply: Reply | undefined): ReadonlyMap<string, string> {
  const cells = texts(reply)
  const found = new Map<string, string>()
  for (let at = 0; at < cells.length; at += 2) found.set(cells[at] ?? '', cells[at + 1] ?? '')
  return found
}

function unavailable(error: unknown): GatewayError {
  const said = error instanceof Error ? error.message : String(error)
  return new GatewayError('STORE_UNAVAILABLE', `Redis: ${said}`, { cause: error })
}

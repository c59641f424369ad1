// Redis as a migration needs it: the partitions' keys, commands by the hundred in one round trip, and who uses the data.
import type { Redis } from 'ioredis'
import { GatewayError } from '../../api.ts'
import { CLOSED, clientsFor, requireDatabase } from '../redis/clients.ts'
import type { Clients, ClientsOptions } from '../redis/clients.ts'
import { metaKey } from '../redis/partitions.ts'
import { lineFailure, toldOf } from '../redis/refusals.ts'
import type { Cell } from '../redis/reply.ts'
import { MOVING_SCRIPTS } from '../redis/scripts.ts'
import type { Script } from '../redis/scripts.ts'
import { readFsync, readServer, together } from '../redis/server.ts'
import type { Fsync, ServerFacts } from '../redis/server.ts'

export type Word = string | number | Uint8Array
export type Reply = string | number | null | Buffer | readonly Reply[]
export type Command = readonly [name: string, ...words: Word[]]

/** One batch may take longer than an operation of a gateway. */
const COMMAND_MS = 30_000
const SCAN_KEYS = 5000
const DAY_MS = 86_400_000

export class RedisClient implements AsyncDisposable {
  readonly prefix: string
  readonly #clients: Clients
  /** Why a line was lost or could not be made, as far as that was told; '' while all are there. */
  #reason = ''

  constructor(where: ClientsOptions, prefix: string) {
    this.prefix = prefix
    // A migration that lost its server ends with what is asked next; it is started again and goes on.
    const events = {
      ready: () => void (this.#reason = ''),
      lost: (reason: string) => {
        if (reason !== CLOSED && !reason.startsWith('the line ')) this.#reason = reason
      },
    }
    this.#clients = clientsFor({ ...where, commandMs: COMMAND_MS }, events, 1)
  }

  async open(): Promise<void> {
    await this.#guarded(async () => {
      await this.#clients.connect()
      await Promise.all(this.#clients.lines().map(requireDatabase))
    })
  }

  /** A key of one partition; `name` as the scripts have it, behind the tag. */
  key(partition: number, name: string): string {
    return `${metaKey(this.prefix, partition).slice(0, -'meta'.length)}${name}`
  }

  /** Commands whose first word is their key, all in one round trip; answers as text. */
  ask(commands: readonly Command[]): Promise<readonly Reply[]> {
    return this.#ask(
      commands.map((command) => [String(command[1]), command]),
      'call',
    )
  }

  /** The same with answers as bytes. */
  askBytes(commands: readonly Command[]): Promise<readonly Reply[]> {
    return this.#ask(
      commands.map((command) => [String(command[1]), command]),
      'callBuffer',
    )
  }

  /** Runs a script of the migration in each partition given, in one round trip. */
  async runAll(
    name: keyof typeof MOVING_SCRIPTS,
    asked: readonly { readonly partition: number; readonly words: readonly Word[] }[],
  ): Promise<readonly Reply[]> {
    const script = MOVING_SCRIPTS[name]
    await this.teach(script)
    return this.#ask(
      asked.map(({ partition, words }) => this.#running(script, partition, words)),
      'call',
    )
  }

  /** Before `run`. */
  async teach({ text }: Script): Promise<void> {
    await this.#guarded(() => Promise.all(this.#clients.lines().map((line) => line.script('LOAD', text))))
  }

  /** Runs a script in one partition; its answer as bytes. */
  async run(script: Script, partition: number, words: readonly Word[]): Promise<Cell> {
    const [reply = null] = await this.#ask([this.#running(script, partition, words)], 'callBuffer')
    return reply as Cell // no texts: bytes were asked for
  }

  async facts(): Promise<ServerFacts> {
    return this.#guarded(async () => together(await Promise.all(this.#clients.lines().map(readServer))))
  }

  fsync(): Promise<Fsync> {
    return this.#guarded(() => readFsync(this.#clients.servers()))
  }

  /** Of the servers' processes: another one after any of them was started anew. */
  async life(): Promise<string> {
    const all = await this.#guarded(() =>
      Promise.all(this.#clients.lines().map((line) => line.info('server'))),
    )
    return all.map((info) => /run_id:(?<id>\w+)/u.exec(info)?.groups?.['id'] ?? '').join()
  }

  /** Keys of a kind in all partitions, a step of the servers' walk at a time; a key may come twice. `next` of '' is the end. */
  async *scan(
    kind: string,
    from = '',
  ): AsyncGenerator<{ readonly keys: readonly string[]; readonly next: string }> {
    const pattern = `${this.prefix.replaceAll(/[\\*?[\]]/gu, '\\$&')}{p*}:${kind}*`
    const lines = this.#clients.lines()
    const [first = 0, begun = '0'] = from === '' ? [] : [Number(from.split('.')[0]), from.split('.')[1]]
    for (const [index, line] of lines.entries()) {
      if (index < first) continue
      let cursor = index === first ? begun : '0'
      do {
        const at = cursor
        const [next, keys] = await this.#guarded(() => line.scan(at, 'MATCH', pattern, 'COUNT', SCAN_KEYS))
        cursor = next
        const behind = next === '0' ? (index + 1 < lines.length ? `${index + 1}.0` : '') : `${index}.${next}`
        yield { keys, next: behind }
      } while (cursor !== '0')
    }
  }

  /** Names and milliseconds of the leases that somebody holds now. */
  async liveLeases(partitions: number): Promise<readonly (readonly [name: string, remainingMs: number])[]> {
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    const clocks = await this.ask(
      all.map((partition): Command => ['HMGET', this.key(partition, 'meta'), 'clock', 'wall']),
    )
    const times = await this.#guarded(() => Promise.all(this.#clients.lines().map((line) => line.time())))
    // Of several servers the one that is behind: a lease seems longer, never shorter.
    const wall = Math.min(...times.map(([seconds]) => Number(seconds) * 1000))
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
    this.#clients.close()
    await Promise.resolve()
  }

  /** Each command on the line to who holds its key; answers in the order asked. */
  async #ask(
    commands: readonly (readonly [key: string, command: Command])[],
    how: 'call' | 'callBuffer',
  ): Promise<readonly Reply[]> {
    const lines = new Map<Redis, { readonly at: number; readonly command: Command }[]>()
    for (const [at, [key, command]] of commands.entries()) {
      const line = this.#clients.holder(key)
      if (line === undefined) throw this.#unavailable(new Error(awayWith(key)))
      const of = lines.get(line) ?? []
      of.push({ at, command })
      lines.set(line, of)
    }
    const replies: Reply[] = commands.map(() => null)
    const send = async ([line, of]: readonly [Redis, readonly { at: number; command: Command }[]]) => {
      const pipeline = line.pipeline()
      for (const { command } of of) {
        const [name, ...words] = command
        pipeline[how](name, ...words.map((word) => (word instanceof Uint8Array ? Buffer.from(word) : word)))
      }
      const answers = (await pipeline.exec()) ?? []
      for (const [index, { at }] of of.entries()) {
        const [error, reply] = answers[index] ?? [new Error('no answer')]
        if (error !== null) throw this.#unavailable(error)
        replies[at] = reply as Reply // what the protocol has
      }
    }
    await this.#guarded(() => Promise.all([...lines].map(send)))
    return replies
  }

  #running({ sha }: Script, partition: number, words: readonly Word[]): readonly [string, Command] {
    const key = metaKey(this.prefix, partition)
    return [key, ['EVALSHA', sha, 1, key, '', '', ...words]]
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw error instanceof GatewayError ? error : this.#unavailable(error)
    }
  }

  #unavailable(error: unknown): GatewayError {
    const isReason = this.#reason !== '' && lineFailure(error) !== undefined
    return new GatewayError('STORE_UNAVAILABLE', `Redis: ${isReason ? this.#reason : toldOf(error)}`, {
      cause: error,
    })
  }
}

function awayWith(key: string): string {
  const number = /\{p(?<number>\d+)\}/u.exec(key)?.groups?.['number']
  return `the master of the cluster that has partition ${Number(number)} is away: run the same command again when it is back`
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

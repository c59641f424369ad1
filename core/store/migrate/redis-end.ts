// The store on Redis as an end of a migration: marked in every partition, so that no gateway reads or writes it meanwhile.
import { randomBytes, randomUUID } from 'node:crypto'
import { GatewayError } from '../../api.ts'
import type { Json, Log } from '../../api.ts'
import { addressOf } from '../redis/address.ts'
import type { ClientsOptions } from '../redis/clients.ts'
import { PARTITIONS } from '../redis/partitions.ts'
import { evictionOf } from '../redis/health.ts'
import { Replicas } from '../redis/replicas.ts'
import { TEXT_BYTES } from '../redis/replies.ts'
import { durabilityOf, tooWeak } from '../redis/server.ts'
import { markOf } from './ends.ts'
import type { Large, Mark, Position, Sourced, Target } from './ends.ts'
import { RedisClient, hash, texts } from './redis-client.ts'
import type { Command, Word } from './redis-client.ts'
import { noteDoubt } from './redis-doubt.ts'
import { Known, Partition, merged } from './redis-rows.ts'
import { scanned } from './redis-scan.ts'
import { writesOf } from './redis-writer.ts'
import type { MovedRow, MovedTotals, Phase } from './rows.ts'

const PAGE = 200
/** Of each partition while all are merged: what is held in memory at once is 256 times this. */
const MERGED_PAGE = 16

export interface RedisEndOptions extends Omit<ClientsOptions, 'commandMs'> {
  readonly prefix?: string
  /** As a gateway on it will want it. */
  readonly durability?: 'strict' | 'any'
  readonly replicas?: number | undefined
}

/**
 * Throws `STORE_UNAVAILABLE` where it is not reached, takes no writes, throws stored data away when it is full, or gives less than
 * `durability`: no gateway would start on it.
 */
export function openRedisEnd(options: RedisEndOptions): Promise<Target> {
  return openEnd(options)
}

async function openEnd(options: RedisEndOptions): Promise<RedisEnd> {
  const { prefix = 'dragoman:', durability, replicas, ...where } = options
  const client = new RedisClient(where, prefix)
  try {
    await client.open()
    const facts = await client.facts()
    if (facts.role !== 'master')
      throw new GatewayError('STORE_UNAVAILABLE', `Redis is a ${facts.role}, which takes no writes`)
    const eviction = evictionOf(facts)
    if (eviction !== undefined) throw new GatewayError('STORE_UNAVAILABLE', `Redis is refused: ${eviction}`)
    if (durability === 'strict') {
      const wanted = new Replicas(replicas)
      wanted.saw(facts.masters)
      const weak = tooWeak(durabilityOf(facts, await client.fsync(), (id) => wanted.neededBy(id)))
      if (weak !== undefined) throw new GatewayError('STORE_UNAVAILABLE', weak)
    }
    const dataset = hash((await client.ask([['HGETALL', client.key(0, 'dataset')]]))[0])
    return new RedisEnd(client, nameOf(where.url), Number(dataset.get('partitions') ?? PARTITIONS))
  } catch (error) {
    await client[Symbol.asyncDispose]()
    throw error
  }
}

class RedisEnd implements Target {
  readonly textBytes = TEXT_BYTES
  readonly name: string
  readonly #client: RedisClient
  readonly #count: number

  constructor(client: RedisClient, name: string, count: number) {
    this.#client = client
    this.name = name
    this.#count = count
  }

  async users(): Promise<string | undefined> {
    const live = await this.#client.liveLeases(this.#count)
    const [name, remainingMs] = live.toSorted(([, a], [, b]) => b - a)[0] ?? []
    if (name === undefined || remainingMs === undefined) return undefined
    return `a gateway uses ${this.name}: stop it first (its lease "${name}" has ${Math.ceil(remainingMs / 1000)} s left, also if it was killed)`
  }

  async mark(): Promise<Mark | undefined> {
    const [held] = await this.#client.ask([['HGET', this.#client.key(0, 'meta'), 'held']])
    return typeof held === 'string' ? markOf(held) : undefined
  }

  /**
   * Partition 0 first: who goes on with this migration looks there, and of two commands at the same time one alone gets it. Taken before the
   * others were marked as well, they are not left marked.
   */
  async setMark(mark: Mark, before: Mark | undefined): Promise<void> {
    const text = JSON.stringify(mark)
    const expected = `+${before === undefined ? '' : JSON.stringify(before)}`
    const [held] = await this.#client.runAll('mark', [{ partition: 0, words: [`+${text}`, expected] }])
    if (held !== text) throw this.#taken()
    const others = this.#numbers.slice(1)
    await this.#client.runAll(
      'mark',
      others.map((partition) => ({ partition, words: [`+${text}`, ''] })),
    )
    if (JSON.stringify(await this.mark()) === text) return
    await this.#client.runAll(
      'mark',
      others.map((partition) => ({ partition, words: ['', `+${text}`] })),
    )
    throw this.#taken()
  }

  /**
   * Partition 0 last: until then no gateway gets as far as the others. What was moved away is with that another store than where it went
   * (SEMANTICS 12).
   */
  async dropMark(mark: Mark): Promise<void> {
    const words = ['', `+${JSON.stringify(mark)}`]
    await this.#client.runAll(
      'mark',
      this.#numbers.slice(1).map((partition) => ({ partition, words })),
    )
    const isOther = mark.state === 'moved' ? '1' : ''
    const [held] = await this.#client.runAll('mark', [{ partition: 0, words: [...words, isOther] }])
    if (held !== null) throw this.#taken()
  }

  async totals(): Promise<MovedTotals> {
    const [dataset, ...metas] = await this.#client.ask([
      ['HGETALL', this.#client.key(0, 'dataset')],
      ...this.#numbers.map((partition): Command => ['HGETALL', this.#client.key(partition, 'meta')]),
    ])
    const made = hash(dataset)
    const named = made.get('incarnation')
    if (named === undefined) throw new GatewayError('STORE_UNAVAILABLE', `there is no store in ${this.name}`)
    const all = metas.map(hash)
    const sum = (name: string): number => all.reduce((total, meta) => total + Number(meta.get(name) ?? 0), 0)
    const most = (name: string): number => Math.max(0, ...all.map((meta) => Number(meta.get(name) ?? 0)))
    // SEMANTICS 12: what a gateway would find out at its next start is found out here.
    const { replicationId } = await this.#client.facts()
    const incarnation = made.get('replid') === replicationId ? named : randomBytes(9).toString('base64url')
    return {
      incarnation,
      wall: most('wall'),
      counter: most('counter'),
      numbers: most('next'),
      accepted: sum('accepted'),
      settled: sum('settled'),
      expired: sum('expired'),
      dead: sum('dead'),
      inDoubt: sum('doubt'),
    }
  }

  async size(): Promise<number> {
    const counted = await this.#client.ask(
      this.#numbers.flatMap((partition) =>
        ['rows', 'keys', 'settled', 'dead', 'devices'].map((name): Command => [
          'ZCARD',
          this.#client.key(partition, name),
        ]),
      ),
    )
    return counted.map(Number).reduce((total, count) => total + count, 0)
  }

  /** It has taken none in that another could not keep. */
  larger(): Promise<readonly Large[]> {
    return Promise.resolve([])
  }

  async *rows(phase: Phase, cursor: Json, { merged: isMerged }: { readonly merged: boolean }) {
    const partitions = await this.#partitions()
    switch (phase) {
      case 'places':
        return yield* scanned(this.#client, partitions, {
          kinds: ['conv:', 'home:', 'device:'],
          from: cursor,
        })
      case 'values':
        return yield* scanned(this.#client, partitions, { kinds: ['value:'], from: cursor })
      case 'messages':
        if (isMerged) return yield* merged(partitions, { from: cursor, limit: MERGED_PAGE })
        return yield* this.#messages(await this.#holding(partitions, 'rows'), cursor)
      case 'claims':
        return yield* this.#ranked(partitions, ['keys'], cursor, (partition, keys) => partition.claims(keys))
      case 'owed':
        // What is open comes in the order of its lanes.
        return yield* this.#ranked(partitions, ['settled', 'open'], cursor, (partition, refs) =>
          partition.owed(refs.filter((ref) => ref.startsWith('p:') || ref.startsWith('t:'))),
        )
      case 'dead':
        return yield* this.#ranked(partitions, ['dead'], cursor, (partition, ids) => partition.dead(ids))
    }
  }

  async isEmpty(): Promise<boolean> {
    // A mark is no store: it stands before the first row.
    const metas = new Set(this.#numbers.map((partition) => this.#client.key(partition, 'meta')))
    for await (const { keys } of this.#client.scan('')) if (keys.some((key) => !metas.has(key))) return false
    return true
  }

  async begin(_mark: Mark, { wall }: MovedTotals): Promise<void> {
    // Both clocks stand where the source's last write was: what has passed since then passes for the target as well.
    await this.#client.ask(
      this.#numbers.map((partition): Command => [
        'HSET',
        this.#client.key(partition, 'meta'),
        'clock',
        wall,
        'wall',
        wall,
      ]),
    )
  }

  async position(): Promise<Position | undefined> {
    const [text] = await this.#client.ask([['GET', this.#client.key(0, 'moving')]])
    return typeof text === 'string' ? (JSON.parse(text) as Position) : undefined // written below
  }

  async write(rows: readonly MovedRow[], position: Position): Promise<void> {
    const words = new Map<number, Word[]>()
    for (const row of rows)
      for (const [partition, written] of writesOf(row, this.#count)) {
        const so = words.get(partition) ?? []
        so.push(...written)
        words.set(partition, so)
      }
    await this.#client.runAll(
      'import',
      [...words].map(([partition, written]) => ({ partition, words: written })),
    )
    await this.#client.ask([['SET', this.#client.key(0, 'moving'), JSON.stringify(position)]])
  }

  async seal(totals: MovedTotals): Promise<void> {
    const { counter, numbers, accepted, settled, expired, dead, inDoubt, incarnation } = totals
    const { replicationId } = await this.#client.facts()
    const meta = (partition: number): string => this.#client.key(partition, 'meta')
    const ledger = { accepted, settled, expired, dead, doubt: inDoubt }
    await this.#client.ask([
      ...this.#numbers.map((partition): Command => [
        'HSET',
        meta(partition),
        'counter',
        counter,
        'next',
        numbers,
      ]),
      // The ledger is the sum of all partitions: what was before stands in the first.
      ['HSET', meta(0), ...Object.entries(ledger).flat()],
      ['HSET', this.#client.key(0, 'dataset'), 'incarnation', incarnation, 'replid', replicationId],
      ['HSET', this.#client.key(0, 'dataset'), 'partitions', this.#count],
    ])
  }

  async release(): Promise<void> {
    // The mark first: without it the target is complete, and with it how far it came must still be known.
    const mark = await this.mark()
    if (mark !== undefined) await this.dropMark(mark)
    await this.#client.ask([['DEL', this.#client.key(0, 'moving')]])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  /** While `mark` stands. Resolves how much of what waits may have been done where it was moved to. */
  async doubt(mark: Mark): Promise<number> {
    const mayBeDone = await noteDoubt(this.#client, this.#numbers, JSON.stringify(mark))
    if (mayBeDone === undefined) throw this.#taken()
    return mayBeDone
  }

  #taken(): GatewayError {
    return new GatewayError(
      'STORE_UNAVAILABLE',
      `${this.name} was taken by another command meanwhile (a migration, or --use-moved-store): nothing of this one is in force`,
    )
  }

  get #numbers(): readonly number[] {
    return Array.from({ length: this.#count }, (_, partition) => partition)
  }

  async #partitions(): Promise<readonly Partition[]> {
    const clocks = await this.#client.ask(
      this.#numbers.map((partition): Command => [
        'HMGET',
        this.#client.key(partition, 'meta'),
        'clock',
        'wall',
      ]),
    )
    const known = new Known()
    return this.#numbers.map((partition) => {
      const [clock, wall] = texts(clocks[partition])
      return new Partition(this.#client, partition, { shift: Number(wall) - Number(clock), known })
    })
  }

  async *#messages(partitions: readonly Partition[], cursor: Json): AsyncGenerator<Sourced> {
    const [first = 0, after = 0] = Array.isArray(cursor) ? cursor.map(Number) : []
    for (const partition of partitions.filter(({ number }) => number >= first)) {
      let from = partition.number === first ? after : 0
      for (;;) {
        const page = await partition.messages(from, PAGE)
        for (const row of page) yield { row, cursor: () => [partition.number, row.number] }
        if (page.length === 0) break
        from = page.at(-1)?.number ?? 0
      }
    }
  }

  /** Those in which a set has something: most of 256 are empty in a small store. */
  async #holding(
    partitions: readonly Partition[],
    ...sets: readonly string[]
  ): Promise<readonly Partition[]> {
    const counts = await this.#client.ask(
      partitions.flatMap(({ number }) =>
        sets.map((set): Command => ['ZCARD', this.#client.key(number, set)]),
      ),
    )
    return partitions.filter((_, index) =>
      counts.slice(index * sets.length, (index + 1) * sets.length).some((count) => Number(count) > 0),
    )
  }

  /** What stands in sorted sets that nobody changes meanwhile: a place is a partition, a set, a page's rank and a row of it. */
  async *#ranked(
    partitions: readonly Partition[],
    sets: readonly string[],
    cursor: Json,
    read: (partition: Partition, names: readonly string[]) => Promise<readonly MovedRow[]>,
  ): AsyncGenerator<Sourced> {
    const [first = 0, firstSet = 0, firstRank = 0, firstRow = 0] = Array.isArray(cursor)
      ? cursor.map(Number)
      : []
    for (const partition of await this.#holding(partitions, ...sets)) {
      if (partition.number < first) continue
      const isFirst = partition.number === first
      for (const [set, name] of sets.entries()) {
        if (isFirst && set < firstSet) continue
        const goesOn = isFirst && set === firstSet
        let rank = goesOn ? firstRank : 0
        let skipped = goesOn ? firstRow : 0
        for (;;) {
          const at = rank
          const [found] = await this.#client.ask([
            ['ZRANGE', this.#client.key(partition.number, name), at, at + PAGE - 1],
          ])
          const names = texts(found)
          const rows = await read(partition, names)
          rank += names.length
          for (const [index, row] of rows.entries())
            if (index >= skipped) yield { row, cursor: () => [partition.number, set, at, index + 1] }
          skipped = 0
          if (names.length < PAGE) break
        }
      }
    }
  }
}

/**
 * Lets a gateway start on what was moved away, under a new incarnation and with what waits in doubt. It is taken by a mark of its own
 * first, so that a migration that is ending, or another start, does not go on beside it. Throws `STORE_UNAVAILABLE` for a target that is
 * not complete, and where another command was faster.
 */
export async function reclaimRedis(options: RedisEndOptions, log?: Log): Promise<void> {
  await using end = await openEnd(options)
  const mark = await end.mark()
  if (mark === undefined) return
  if (mark.state === 'target')
    throw new GatewayError(
      'STORE_UNAVAILABLE',
      `${end.name} holds half a store: finish the migration from ${mark.other}, or empty it`,
    )
  const own = { ...mark, id: randomUUID() }
  await end.setMark(own, mark)
  const mayBeDone = mark.state === 'moved' ? await end.doubt(own) : undefined
  await end.dropMark(own)
  if (mayBeDone === undefined) return
  log?.warn(
    'the store was moved away and is used again: of its open work nobody knows whether it was done where it went',
    { other: mark.other, mayBeDone },
  )
}

/** Without user and password. */
function nameOf(url: string): string {
  const { kind, nodes, isTls, master, database } = addressOf(url)
  const scheme = `redis${isTls ? 's' : ''}${kind === 'server' ? '' : `+${kind}`}`
  const hosts = nodes.map(({ host, port }) => `${host}:${port}`).join()
  const path = [master, database === 0 ? undefined : database].filter((part) => part !== undefined)
  return `${scheme}://${[hosts, ...path].join('/')}`
}

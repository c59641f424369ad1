// Homes, conversations, devices and values on Redis: no list of them exists, so the server's keys are walked.
import { DatabaseSync } from 'node:sqlite'
import type { Json } from '../../api.ts'
import { query } from '../sqlite/database.ts'
import type { Sourced } from './ends.ts'
import type { RedisClient } from './redis-client.ts'
import type { Hash, Partition } from './redis-rows.ts'
import type { MovedRow } from './rows.ts'

const PARTITION = /\{p(?<number>\d+)\}:/u

/** From the beginning again where the server was started anew since: places in its walk mean nothing then. */
export async function* scanned(
  client: RedisClient,
  partitions: readonly Partition[],
  { kinds, from }: { readonly kinds: readonly string[]; readonly from: Json },
): AsyncGenerator<Sourced> {
  const life = await client.life()
  const [lifeThen, kindThen, keyThen] = Array.isArray(from) ? from.map(String) : []
  const goesOn = lifeThen === life && kindThen !== undefined && keyThen !== undefined
  using seen = new Seen()
  for (const kind of goesOn ? kinds.slice(Math.max(0, kinds.indexOf(kindThen))) : kinds) {
    let at = goesOn && kind === kindThen ? keyThen : ''
    if (at === 'end') continue
    for await (const { keys, next } of client.scan(kind, at)) {
      const fresh = keys.filter((key) => seen.isNew(key))
      const rows = await rowsOf(partitions, kind, fresh)
      const [start, end] = [at, next === '' ? 'end' : next]
      for (const [index, row] of rows.entries())
        yield { row, cursor: () => [life, kind, index === rows.length - 1 ? end : start] }
      at = next
    }
  }
}

async function rowsOf(
  partitions: readonly Partition[],
  kind: string,
  keys: readonly string[],
): Promise<readonly MovedRow[]> {
  const names = new Map<number, string[]>()
  for (const key of keys) {
    const found = PARTITION.exec(key)
    const number = Number(found?.groups?.['number'] ?? -1)
    const name = key.slice((found?.index ?? 0) + (found?.[0].length ?? 0) + kind.length)
    names.set(number, [...(names.get(number) ?? []), name])
  }
  const rows: MovedRow[] = []
  for (const [number, of] of names) {
    const partition = partitions[number]
    if (partition === undefined) continue
    const hashes = await partition.hashes(of.map((name) => kind + name))
    const refused = kind === 'device:' ? await partition.hashes(of.map((name) => `refused:${name}`)) : []
    for (const [index, name] of of.entries()) {
      const cells = hashes[index]
      if (cells !== undefined) rows.push(rowOf(partition, kind, { name, cells, refused: refused[index] }))
    }
  }
  return rows
}

interface Found {
  readonly name: string
  readonly cells: Hash
  readonly refused: Hash | undefined
}

function rowOf(partition: Partition, kind: string, { name, cells, refused }: Found): MovedRow {
  const number = (cell: string, otherwise = 0): number => Number(cells.get(cell) ?? otherwise)
  const heads = { epoch: number('epoch'), top: number('top'), oldest: number('oldest', 1) }
  switch (kind) {
    case 'home:':
      return { row: 'home', home: name, ...heads }
    case 'conv:': {
      const [home, channel] = [cells.get('home') ?? '', cells.get('channel') ?? '']
      const [agent, ticket, last] = ['agent', 'ticket', 'last'].map((cell) => cells.get(cell) ?? null)
      const own = { agent: agent ?? null, ticket: ticket ?? null, last: last ?? null }
      return { row: 'conversation', home, conversation: name, channel, ...heads, ...own }
    }
    case 'value:': {
      const expires = partition.moment(cells.get('x'))
      return { row: 'value', key: name, value: cells.get('v') ?? '', version: number('ver'), expires }
    }
    default: {
      const told = [...(refused ?? new Map<string, string>())]
      const all = told
        .filter(([n]) => !n.endsWith('i'))
        .map(([n, code]) => [Number(n), refused?.get(`${n}i`) ?? '', code] as const)
        .toSorted(([a], [b]) => a - b)
      const device = { ...deviceOf(name), last: number('last'), cursor: number('cursor') }
      return { row: 'device', ...device, used: partition.moment(cells.get('used')) ?? 0, refused: all }
    }
  }
}

/** `deviceName` (redis/arguments.ts) read back: names may hold any character, so their lengths are in it. */
function deviceOf(name: string): { readonly home: string; readonly device: string; readonly boot: string } {
  const [home, rest] = measured(name)
  const [device, boot] = measured(rest)
  return { home, device, boot }
}

function measured(text: string): readonly [text: string, rest: string] {
  const colon = text.indexOf(':')
  const end = colon + 1 + Number(text.slice(0, colon))
  return [text.slice(colon + 1, end), text.slice(end)]
}

/** Keys that came before in this walk, in a file of its own that SQLite removes: there may be millions. */
class Seen implements Disposable {
  readonly #db = new DatabaseSync('')
  readonly #put

  constructor() {
    this.#db.exec(
      'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN',
    )
    this.#put = query(this.#db, 'INSERT OR IGNORE INTO seen VALUES (?)')
  }

  isNew(key: string): boolean {
    return this.#put.run(key).changes > 0
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }
}

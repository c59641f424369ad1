// The store on Redis as the source of a migration: its rows in neutral words, a page at a time.
import { LRUCache } from 'lru-cache'
import type { Json } from '../../api.ts'
import { attemptsOf, bodyOf } from '../redis/answers.ts'
import type { Outcome, WorkKind } from '../store.ts'
import type { Sourced } from './ends.ts'
import { hash } from './redis-client.ts'
import type { Command, RedisClient } from './redis-client.ts'
import type { MovedMessage, MovedRow, MovedState } from './rows.ts'

export type Hash = ReadonlyMap<string, string>

const STATES = new Map<string, 'waiting' | 'flight' | 'handed'>([
  ['0', 'waiting'],
  ['1', 'flight'],
  ['2', 'handed'],
  ['3', 'flight'],
])
const KNOWN = 20_000

/** Whose a conversation is and where an inbox begins, of all partitions: a name is in one of them alone. */
export class Known {
  readonly homes = new LRUCache<string, string>({ max: KNOWN })
  readonly oldest = new LRUCache<string, number>({ max: KNOWN })
}

/** One partition's rows. `shift`: from its clock to the wall clock as of its last write. */
export class Partition {
  readonly number: number
  readonly #client: RedisClient
  readonly #shift: number
  readonly #known: Known

  constructor(
    client: RedisClient,
    number: number,
    { shift, known }: { readonly shift: number; readonly known: Known },
  ) {
    this.#client = client
    this.number = number
    this.#shift = shift
    this.#known = known
  }

  key(name: string): string {
    return this.#client.key(this.number, name)
  }

  async hashes(names: readonly string[]): Promise<readonly Hash[]> {
    const replies = await this.#client.ask(names.map((name): Command => ['HGETALL', this.key(name)]))
    return replies.map(hash)
  }

  /** A moment of this partition's clock; null where there is none. */
  moment(text: string | undefined): number | null {
    return text === undefined || text === '' ? null : Number(text) + this.#shift
  }

  async home(conversation: string): Promise<string> {
    const known = this.#known.homes.get(conversation)
    if (known !== undefined) return known
    const [found] = await this.#client.ask([['HGET', this.key(`conv:${conversation}`), 'home']])
    const home = String(found ?? '')
    this.#known.homes.set(conversation, home)
    return home
  }

  /** From where on a home's inbox has its entries. */
  async oldest(home: string): Promise<number> {
    const known = this.#known.oldest.get(home)
    if (known !== undefined) return known
    const [found] = await this.#client.ask([['HGET', this.key(`home:${home}`), 'oldest']])
    const oldest = Number(found ?? 1)
    this.#known.oldest.set(home, oldest)
    return oldest
  }

  /** What is open or has ended, of a message's, push's, timer's or call's row. */
  async state(ref: string, row: Hash): Promise<MovedState> {
    const hasOwnLane = ref.startsWith('c:') || ref.startsWith('t:')
    const state = row.get('st')
    const outcome = row.get('oc')
    if (state === undefined && outcome === undefined) return { work: null, end: null }
    const attempts = attemptsOf(row.get('tr') ?? null)
    const waitUntil = this.moment(row.get('wu'))
    const number = (name: string): number => Number(row.get(name) ?? 0)
    if (state === undefined)
      return {
        work: null,
        end: {
          outcome: outcome as Outcome, // a settle wrote it
          isNote: row.get('no') === '1',
          at: number('ow'),
          clock: this.moment(row.get('ok')) ?? 0,
          attempt: number('oa'),
          replies: repliesOf(row.get('or') ?? ''),
          waitUntil,
          reply: row.get('rp') ?? null,
          failure: row.get('fl') ?? null,
          attempts,
        },
      }
    const mediaType = row.get('mt') ?? null
    const [raw] =
      mediaType === null ? [] : await this.#client.askBytes([['HGET', this.key(`r:${ref}`), 'raw']])
    const began = row.get('be')
    const flies = STATES.get(state) === 'flight'
    return {
      work: {
        lane: hasOwnLane ? null : (row.get('ln') ?? ''),
        priority: number('pr'),
        due: this.moment(row.get('du')) ?? 0,
        state: STATES.get(state) ?? 'flight',
        attempt: number('a'),
        unended: number('un'),
        fence: flies ? number('fe') : 0,
        first: this.moment(row.get('fi')),
        began: began === undefined ? null : Number(began),
        waitUntil,
        attempts,
        mediaType: Buffer.isBuffer(raw) ? mediaType : null,
        raw: Buffer.isBuffer(raw) ? new Uint8Array(raw) : null,
      },
      end: null,
    }
  }

  /** Messages behind a number, in order; none: there are no more. */
  async messages(after: number, limit: number): Promise<readonly MovedMessage[]> {
    const [page] = await this.#client.ask([
      ['ZRANGEBYSCORE', this.key('rows'), `(${after}`, '+inf', 'WITHSCORES', 'LIMIT', 0, limit],
    ])
    const words = Array.isArray(page) ? page.map(String) : []
    if (words.length === 0) return []
    const listed = words.filter((_, at) => at % 2 === 0)
    const found = await this.hashes(listed.map((id) => `r:m:${id}`))
    // An accept that was broken off has left an id without a row.
    const kept = listed.flatMap((id, at) => {
      const row = found[at]
      return row?.has('s') === true ? [{ id, row }] : []
    })
    return kept.length > 0 ? this.#stored(kept) : this.messages(Number(words.at(-1)), limit)
  }

  async #stored(
    all: readonly { readonly id: string; readonly row: Hash }[],
  ): Promise<readonly MovedMessage[]> {
    const ids = all.map(({ id }) => id)
    const rows = all.map(({ row }) => row)
    const places = rows.map((row) => [row.get('c') ?? '', row.get('s') ?? ''] as const)
    const entries = await this.#client.ask(
      places.map(([name, sequence]): Command => ['XRANGE', this.key(`log:${name}`), sequence, sequence]),
    )
    const gone = await this.#client.ask(
      places.map(([name, sequence]): Command => ['HGET', this.key(`gone:${name}`), sequence]),
    )
    const caused = await this.#client.ask(
      ids.map((id): Command => ['ZRANGE', this.key(`caused:${id}`), 0, -1]),
    )
    const found: MovedMessage[] = []
    for (const [index, id] of ids.entries()) {
      const row = rows[index] ?? new Map()
      const [conversation, sequence] = places[index] ?? ['', '']
      const home = await this.home(conversation)
      const offset = Number(row.get('o') ?? 0)
      const effects = caused[index]
      found.push({
        row: 'message',
        home,
        id,
        number: Number(row.get('n')),
        conversation,
        sequence: Number(sequence),
        offset,
        isEntered: offset > 0 && offset >= (await this.oldest(home)),
        at: this.moment(row.get('at')) ?? 0,
        body: logged(entries[index]) ?? String(gone[index] ?? ''),
        caused: Array.isArray(effects) ? effects.map(String) : [],
        ...(await this.state(`m:${id}`, row)),
      })
    }
    return found
  }

  async claims(keys: readonly string[]): Promise<readonly MovedRow[]> {
    const held = await this.hashes(keys.map((key) => `key:${key}`))
    const rows = await this.hashes(held.map((one) => `r:${one.get('ref') ?? ''}`))
    const found: MovedRow[] = []
    for (const [index, key] of keys.entries()) {
      const [one, row] = [held[index], rows[index]]
      if (one === undefined || row === undefined) continue
      const ref = one.get('ref') ?? ''
      const isCall = ref.startsWith('c:')
      const conversation = one.get('c') ?? ''
      const home = row.get('h') ?? (conversation === '' ? null : await this.home(conversation))
      found.push({
        row: 'claim',
        home,
        key,
        number: Number(row.get('n') ?? 0),
        id: ref.slice(2),
        isCall,
        fingerprint: one.get('fp') ?? '',
        conversation,
        sequence: Number(one.get('s') ?? 0),
        expires: this.moment(one.get('x')) ?? 0,
        own: isCall || !row.has('s') ? { body: row.get('b') ?? null, ...(await this.state(ref, row)) } : null,
      })
    }
    return found
  }

  /** Pushes and timers. What neither a message nor a claim knows any more is left behind. */
  async owed(refs: readonly string[]): Promise<readonly MovedRow[]> {
    const rows = await this.hashes(refs.map((ref) => `r:${ref}`))
    const known = await this.#client.ask(
      rows.flatMap((row): Command[] => {
        const [reply, origin] = [row.get('lg') ?? '', row.get('og') ?? '']
        return [
          ['HEXISTS', this.key(`r:m:${reply}`), 's'],
          ['EXISTS', this.key(`r:m:${origin}`), this.key(`r:c:${origin}`)],
        ]
      }),
    )
    const found: MovedRow[] = []
    for (const [index, ref] of refs.entries()) {
      const row = rows[index]
      if (row === undefined) continue
      const isPush = ref.startsWith('p:')
      const reply = isPush && known[index * 2] === 1 ? (row.get('lg') ?? null) : null
      const origin = Number(known[index * 2 + 1]) > 0 ? (row.get('og') ?? null) : null
      if (reply === null && origin === null) continue
      const conversation = row.get('c') ?? ''
      const home = await this.home(conversation)
      const common = { home, conversation, number: Number(row.get('n')), ...(await this.state(ref, row)) }
      const [id, target] = [ref.slice(2), row.get('tg') ?? '']
      if (!isPush) {
        found.push({ row: 'timer', id, origin: origin ?? '', target, ...common })
        continue
      }
      const [part, isFlushed] = [Number(row.get('part')), row.get('flushed') === '1']
      const holder = row.get('holder') ?? null
      found.push({ row: 'push', key: id, reply, origin, part, channel: target, holder, isFlushed, ...common })
    }
    return found
  }

  async dead(ids: readonly string[]): Promise<readonly MovedRow[]> {
    const rows = await this.hashes(ids.map((id) => `dead:${id}`))
    const bytes = await this.#client.askBytes(
      ids.map((id): Command => ['HGET', this.key(`dead:${id}`), 'raw']),
    )
    return ids.map((id, index) => {
      const row = rows[index] ?? new Map()
      const raw = bytes[index]
      const part = row.get('part')
      return {
        row: 'dead',
        home: row.get('hm') ?? '',
        id,
        kind: row.get('kd') as WorkKind, // bury wrote it
        at: Number(row.get('at')),
        sequence: Number(row.get('s')),
        body: bodyOf(row.get('b') ?? '', row.get('nt') === '1'),
        failure: row.get('f') ?? '',
        attempts: attemptsOf(row.get('tr') ?? null),
        mediaType: Buffer.isBuffer(raw) ? (row.get('mt') ?? null) : null,
        raw: Buffer.isBuffer(raw) ? new Uint8Array(raw) : null,
        part: part === undefined ? null : Number(part),
        target: row.get('tg') ?? null,
      }
    })
  }
}

/** All partitions' messages in the order of their age: as one store would have appended them. */
export async function* merged(
  partitions: readonly Partition[],
  { from, limit }: { readonly from: Json; readonly limit: number },
): AsyncGenerator<Sourced> {
  const after = Array.isArray(from) ? from.map(Number) : partitions.map(() => 0)
  const pages = partitions.map((): MovedMessage[] => [])
  const fill = async (index: number): Promise<void> => {
    const page = await partitions[index]?.messages(after[index] ?? 0, limit)
    pages[index] = [...(page ?? [])]
  }
  await Promise.all(partitions.map((_, index) => fill(index)))
  for (;;) {
    let next = -1
    for (const [index, page] of pages.entries()) {
      const at = page[0]?.at
      if (at !== undefined && (next === -1 || at < (pages[next]?.[0]?.at ?? Infinity))) next = index
    }
    const row = pages[next]?.shift()
    if (row === undefined) return
    after[next] = row.number
    yield { row, cursor: () => [...after] }
    if (pages[next]?.length === 0) await fill(next)
  }
}

/** What a settle said: ids with the length of their bytes, because an id may hold any character. */
function repliesOf(text: string): readonly string[] {
  const bytes = Buffer.from(text)
  const found: string[] = []
  for (let at = 0; at < bytes.length;) {
    const colon = bytes.indexOf(':', at)
    const length = Number(bytes.subarray(at, colon).toString())
    found.push(bytes.subarray(colon + 1, colon + 1 + length).toString())
    at = colon + 1 + length + 1
  }
  return found
}

/** The body of the one entry found; undefined: there is none. */
function logged(reply: unknown): string | undefined {
  if (!Array.isArray(reply) || reply.length === 0) return undefined
  const [[, fields]] = reply as [[string, string[]]] // XRANGE of one id
  const [, , , body = '', , note] = fields
  return bodyOf(body, note === '1')
}

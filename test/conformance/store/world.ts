// An open store with a held partition, and short ways to make what it is given.
import type { Message } from '../../../core/api.ts'
import { partitionLease } from '../../../core/store/figures.ts'
import type {
  Accept,
  AcceptResult,
  Claim,
  Fence,
  LedgerRow,
  Row,
  Settle,
  SettleResult,
  Store,
  TakeResult,
  Unnumbered,
  Work,
  WorkKind,
} from '../../../core/store/store.ts'
import type { StoreFactory, StoreHarness } from '../store.ts'

export const HOME = 'web/ann'
export const CONVERSATION = 'web:ann'
export const LEASE_MS = 3_600_000

/** Narrows a result to the status expected, and fails with what came instead. */
export function expectStatus<R extends { readonly status: string }, S extends R['status']>(
  result: R,
  status: S,
): Extract<R, { readonly status: S }> {
  if (result.status !== status) throw new Error(`expected ${status}, got ${JSON.stringify(result)}`)
  return result as Extract<R, { readonly status: S }> // its status was compared
}

export function message(id: string, over: Partial<Message> = {}): Unnumbered {
  return {
    id,
    kind: 'message',
    type: 'text',
    sender: { id: 'ann', role: 'customer' },
    channel: 'web',
    conversation: CONVERSATION,
    direction: 'inbound',
    parts: [{ kind: 'text', text: `text of ${id}` }],
    receivedAt: '2026-01-02T03:04:05.678Z',
    correlationId: id,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ...over,
  }
}

export function reply(id: string, to: string, over: Partial<Message> = {}): Unnumbered {
  return message(id, {
    sender: { id: 'helper', role: 'bot' },
    direction: 'outbound',
    causationId: to,
    correlationId: to,
    ...over,
  })
}

/** An accept of ann's, without work. */
export function accept(id: string, over: Partial<Accept> = {}): Accept {
  const conversation = over.conversation ?? CONVERSATION
  return { home: HOME, conversation, message: message(id, { conversation }), inbox: true, ...over }
}

/** The same with work in the conversation's lane. */
export function working(id: string, over: Partial<Accept> = {}): Accept {
  const lane = over.conversation ?? CONVERSATION
  return accept(id, { work: { lane, priority: 1, limit: 1000 }, ...over })
}

export function dedupe(key: string, fingerprint = 'same'): { dedupe: NonNullable<Accept['dedupe']> } {
  return { dedupe: { key, fingerprint, ttlMs: 72 * 3_600_000 } }
}

export function settle(id: string, over: Partial<Settle> = {}): Settle {
  return {
    home: HOME,
    kind: 'message',
    id,
    attempt: 1,
    outcome: 'answered',
    replies: [],
    inbox: true,
    pushes: [],
    ...over,
  }
}

/** A settle that answers in words, with the push a channel with `send` is owed. */
export function answering(id: string, over: Partial<Settle> = {}): Settle {
  return settle(id, {
    reply: { parts: [{ kind: 'text', text: `answer to ${id}` }], origin: 'agent' },
    replies: [reply(`${id}-reply`, id)],
    ...over,
  })
}

export function pushTo(id: string, channel = 'wechat'): { pushes: Settle['pushes'] } {
  return { pushes: [{ key: `${id}-push`, reply: 0, part: -1, channel }] }
}

export class World implements AsyncDisposable {
  readonly harness: StoreHarness
  #store: Store
  #fence: Fence

  static async make(factory: StoreFactory): Promise<World> {
    const harness = await factory()
    const store = await harness.open()
    return new World(harness, store, await hold(store))
  }

  private constructor(harness: StoreHarness, store: Store, fence: Fence) {
    this.harness = harness
    this.#store = store
    this.#fence = fence
  }

  get store(): Store {
    return this.#store
  }

  get fence(): Fence {
    return this.#fence
  }

  advance(ms: number): void {
    this.harness.advance(ms)
  }

  async close(): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }

  async reopen(owner = 'second life'): Promise<void> {
    await this.close()
    await this.openAgain(owner)
  }

  async openAgain(owner = 'second life'): Promise<void> {
    this.#store = await this.harness.open()
    this.#fence = await hold(this.#store, owner)
  }

  /** The partition goes to another owner: everything in flight is an orphan. */
  async passOn(owner: string): Promise<void> {
    this.advance(LEASE_MS + 1)
    this.#fence = await hold(this.#store, owner)
  }

  async accept(asked: Accept): Promise<Extract<AcceptResult, { status: 'accepted' }>> {
    return expectStatus(await this.store.accept(asked), 'accepted')
  }

  /** Accepts with work that begins at once. */
  async begin(id: string, over: Partial<Accept> = {}): Promise<void> {
    const result = await this.accept(working(id, { fence: this.fence, ...over }))
    if (result.attempt !== 1) throw new Error(`attempt 1 of ${id} has not begun`)
  }

  async settle(asked: Settle): Promise<Extract<SettleResult, { status: 'settled' }>> {
    return expectStatus(await this.store.settle({ fence: this.fence, ...asked }), 'settled')
  }

  async take(
    kinds: readonly WorkKind[] = ['message', 'push', 'claim', 'timer'],
    max = 100,
  ): Promise<Extract<TakeResult, { status: 'taken' }>> {
    return expectStatus(await this.store.take({ partition: 0, fence: this.fence, max, kinds }), 'taken')
  }

  async takeWork(...kinds: readonly WorkKind[]): Promise<readonly Work[]> {
    return (await this.take(kinds.length === 0 ? undefined : kinds)).work
  }

  claim(id: string, over: Partial<Claim> = {}): Claim {
    return {
      home: HOME,
      key: 'call-key',
      fingerprint: 'same',
      id,
      ttlMs: 72 * 3_600_000,
      idempotent: false,
      fence: this.fence,
      message: message(id, { kind: 'request', type: 'PlaceOrder' }),
      ...over,
    }
  }

  async log(conversation = CONVERSATION, home = HOME): Promise<readonly Message[]> {
    const result = await this.store.read({ home, log: { conversation }, after: 0, limit: 1000 })
    return expectStatus(result, 'rows').rows.map((row) => row.message)
  }

  async inbox(home = HOME): Promise<readonly (readonly [offset: number | undefined, id: string])[]> {
    const result = await this.store.read({ home, log: { inbox: true }, after: 0, limit: 1000 })
    return expectStatus(result, 'rows').rows.map((row) => [row.offset, row.message.id])
  }

  async ledger(): Promise<LedgerRow> {
    const [row] = await this.store.find({ by: 'ledger' })
    if (row?.row !== 'ledger') throw new Error('no ledger')
    return row
  }

  async rows<R extends Row['row']>(
    row: R,
    id: string,
  ): Promise<readonly Extract<Row, { readonly row: R }>[]> {
    const found = await this.store.find({ by: 'id', id })
    return found.filter((one): one is Extract<Row, { readonly row: R }> => one.row === row)
  }

  async dead(): Promise<readonly Extract<Row, { readonly row: 'dead' }>[]> {
    const found = await this.store.find({ by: 'dead', limit: 100 })
    return found.filter((one): one is Extract<Row, { readonly row: 'dead' }> => one.row === 'dead')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
    await this.harness[Symbol.asyncDispose]()
  }
}

async function hold(store: Store, owner = 'first life'): Promise<Fence> {
  const result = await store.lease({ name: partitionLease(0), owner, ttlMs: LEASE_MS })
  return expectStatus(result, 'held').fence
}

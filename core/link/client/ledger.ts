// What this device knows: its outbox by number, its place in the inbox, what was said. In memory, and in the box before it counts.
import type { HelloFrame, MsgFrame, RefusedFrame, SendFrame } from '../../api.ts'
import type { Box, Change } from './box.ts'
import { newId } from './ids.ts'
import { marksOf, rises } from './marks.ts'
import type { Kept, Mark, Outgoing, Said, StateEvent } from './types.ts'
import { Writer } from './writer.ts'

interface Place {
  readonly device: string
  readonly boot: string
  /** The number of the next own message. */
  readonly next: number
  /** The highest that a link was given under this boot; none: 0, or a box from before this was kept. */
  readonly sent?: number
  readonly epoch: string
  readonly offset: number
  /** The highest sequence seen of each conversation: where its log goes on after a gap in the inbox. */
  readonly seen: readonly (readonly [conversation: string, sequence: number])[]
  /** After such a gap: the logs that are not read to their end yet. */
  readonly owed: readonly (readonly [conversation: string, after: number])[]
}
interface Entry {
  readonly n: number
  readonly id: string
  readonly message: Outgoing
}
type Row = { readonly key: string; said: Said; readonly messageId?: string }

export interface LedgerEvents {
  onSaid(said: Said): void
  onState(event: StateEvent): void
  /** The box cannot be written: nothing is kept any more. */
  onFailure(error: unknown): void
}

const PLACE = 'place'
const DIGITS = 15

export class Ledger {
  readonly #writer: Writer
  readonly #events: LedgerEvents
  readonly #history: number
  #place: Place
  readonly #seen: Map<string, number>
  readonly #outbox = new Map<number, Entry>()
  readonly #rows: Row[] = []
  readonly #byId = new Map<string, Row>()
  /** Of the last row; and the highest number that may be sent, as it is durable. */
  #last = 0
  #published = 0
  #durable = 0

  private constructor(
    values: ReadonlyMap<string, Kept>,
    { box, history, events }: { readonly box: Box; readonly history: number; readonly events: LedgerEvents },
  ) {
    this.#writer = new Writer(box, (error) => events.onFailure(error))
    this.#events = events
    this.#history = history
    this.#place = (values.get(PLACE) as unknown as Place | undefined) ?? fresh() // as `#keep` has put it
    this.#seen = new Map(this.#place.seen)
    const keys = [...values.keys()].toSorted()
    for (const key of keys) {
      const value = values.get(key) as unknown // as this class has put it
      if (key.startsWith('out/')) this.#outbox.set(numberIn(key), value as Entry)
      if (key.startsWith('said/')) this.#add(value as Row)
    }
    this.#last = numberIn(this.#rows.at(-1)?.key ?? 'said/0')
    this.#published = this.#last
    this.#durable = this.#place.next - 1
  }

  /** Reads the box; a new one is given a device and a boot. Rejects where it cannot be read or written. */
  static async open(options: {
    readonly box: Box
    readonly history: number
    readonly events: LedgerEvents
  }): Promise<Ledger> {
    const values = await options.box.open()
    const ledger = new Ledger(values, options)
    if (!values.has(PLACE)) await ledger.#keep()
    return ledger
  }

  /** What is durable here, the oldest first. */
  get said(): readonly Said[] {
    return this.#rows.filter(({ key }) => numberIn(key) <= this.#published).map(({ said }) => said)
  }
  get waiting(): number {
    return this.#outbox.size
  }
  get device(): string {
    return this.#place.device
  }
  get place(): { readonly epoch: string; readonly offset: number } {
    return this.#place
  }
  /** The logs to be read before the inbox goes on: what was between is not in the inbox any more. */
  get owed(): Place['owed'] {
    return this.#place.owed
  }
  /** The number of the next own message. */
  get next(): number {
    return this.#place.next
  }
  /** The lowest number that waits, or the next one. */
  get first(): number {
    return this.#outbox.keys().next().value ?? this.#place.next
  }

  get #sent(): number {
    return this.#place.sent ?? 0
  }

  /** DESIGN §12: what every link begins with. */
  hello(): HelloFrame {
    const { device, boot, epoch, offset } = this.#place
    return { t: 'hello', v: 1, device, boot, first: this.first, epoch, offset }
  }

  /** What is to be sent under this number; undefined: nothing yet, or it is settled. */
  sendFrame(n: number): SendFrame | undefined {
    const entry = n <= this.#durable ? this.#outbox.get(n) : undefined
    return entry && { t: 'send', ...entry }
  }

  /** It was stored or refused, and is forgotten. */
  isSettled(n: number): boolean {
    return n < this.#place.next && !this.#outbox.has(n)
  }

  /** Rejects where it could not be made durable; then nothing more can be. */
  async enqueue(message: Outgoing): Promise<Said> {
    const n = this.#place.next
    const entry: Entry = { n, id: newId(), message }
    this.#place = { ...this.#place, next: n + 1 }
    this.#outbox.set(n, entry)
    const said: Said = {
      id: entry.id,
      from: 'me',
      at: new Date().toISOString(),
      text: textOf(message),
      message,
      mark: 'queued',
      ...(message.conversation !== undefined && { conversation: message.conversation }),
    }
    await this.#keep([keyOf('out', n), { ...entry } as unknown as Kept], ...this.#append(said)) // plain data
    // Unless it has another number by now.
    if (this.#outbox.get(n) === entry) this.#durable = Math.max(this.#durable, n)
    this.#tellWaiting()
    return this.#byId.get(entry.id)?.said ?? said
  }

  /** It is on its way; kept, so that after a restart the gateway's word on it is believed. */
  sent(n: number): void {
    const entry = this.#outbox.get(n)
    if (entry === undefined) return
    const changes = this.#mark(entry.id, 'sent')
    if (n <= this.#sent) return
    this.#place = { ...this.#place, sent: n }
    this.#keepBehind(...changes)
  }

  /**
   * Whether the gateway can have all numbers below `next` from this outbox. Not where one was never given here, or waits here and was never sent:
   * then this is an old copy, and under those numbers the gateway has something else. A kill between sending and writing may look the same.
   */
  gave(next: number): boolean {
    return next <= this.next && ![...this.#outbox.keys()].some((n) => n > this.#sent && n < next)
  }

  /** Everything up to `n` is durable at the gateway, or refused (SEMANTICS 14). */
  settle(
    n: number,
    refused: readonly RefusedFrame[] = [],
    stored?: { id: string; messageId: string; sequence: number },
  ): void {
    const codes = new Map(refused.map((one) => [one.n, one.code]))
    const changes: Change[] = []
    for (const entry of [...this.#outbox.values()].filter((each) => each.n <= n)) {
      this.#outbox.delete(entry.n)
      changes.push([keyOf('out', entry.n), undefined])
      const code = codes.get(entry.n)
      if (code === undefined) {
        const { id, messageId, sequence } = stored ?? {}
        const is = id === entry.id && messageId !== undefined && sequence !== undefined
        changes.push(...this.#mark(entry.id, 'stored', is ? { messageId, sequence } : {}))
      } else changes.push(...this.#mark(entry.id, 'refused', { code }))
    }
    if (changes.length === 0) return
    this.#keepBehind(...changes)
    this.#tellWaiting()
  }

  /** This one alone is refused for good. */
  refuse(n: number, code: string): void {
    const entry = this.#outbox.get(n)
    if (entry === undefined) return
    this.#outbox.delete(n)
    this.#keepBehind([keyOf('out', n), undefined], ...this.#mark(entry.id, 'refused', { code }))
    this.#tellWaiting()
  }

  /** The next of the inbox. False: one before it is missing. Durable with the place it leads to, when `durable()` resolves. */
  take({ epoch, offset, message }: MsgFrame): boolean {
    if (epoch !== this.#place.epoch || offset <= this.#place.offset) return true
    if (offset !== this.#place.offset + 1) return false
    this.#place = { ...this.#place, offset }
    this.#keepBehind(...this.show(message))
    return true
  }

  /** Once, in whatever way it came; and what it says of own messages. Returns what is to be kept. */
  show(message: MsgFrame['message']): readonly Change[] {
    const { conversation, sequence } = message
    if (sequence > (this.#seen.get(conversation) ?? 0)) this.#seen.set(conversation, sequence)
    const own = this.#byId.get(message.externalId ?? '')
    if (own !== undefined && message.direction === 'inbound')
      return this.#mark(own.said.id, 'stored', { messageId: message.id, sequence, conversation })
    if (this.#byId.has(message.id)) return []
    const changes = marksOf(message, this.#rows).flatMap(({ id, mark }) => this.#mark(id, mark))
    if (message.metadata?.['mark'] !== undefined && (message.parts ?? []).length === 0) return changes
    const said: Said = {
      id: message.id,
      from: message.direction === 'inbound' ? 'me' : 'them',
      conversation,
      sequence,
      at: message.receivedAt,
      text: textOf(message),
      message,
      ...(message.direction === 'inbound' && { mark: 'stored' as const }),
    }
    return [...changes, ...this.#append(said)]
  }

  /** From here on the inbox is read from there (SEMANTICS 12, 23); what is between is in the logs, which are owed from now on. */
  moveTo(epoch: string, offset: number): void {
    const { epoch: former, owed } = this.#place
    // A store that came from a backup gives sequences out again: everything known here is looked at again, and dropped by its id.
    const isAnother = former !== '' && former !== epoch
    const due = [...this.#seen].map(([conversation, sequence]) => {
      const known = isAnother ? this.#rows.filter(({ said }) => said.conversation === conversation) : []
      return [conversation, Math.min(sequence, (known[0]?.said.sequence ?? sequence + 1) - 1)] as const
    })
    const before = new Map(owed)
    this.#place = {
      ...this.#place,
      epoch,
      offset,
      owed: due.map(([name, after]) => [name, Math.min(after, before.get(name) ?? after)]),
    }
    this.#keepBehind()
  }

  /** The inbox is of this epoch, and goes on where it was. */
  begin(epoch: string): void {
    if (epoch === this.#place.epoch) return
    this.#place = { ...this.#place, epoch }
    this.#keepBehind()
  }

  /** A page of a log that was owed; its end: `next` undefined. Durable when it resolves. */
  async keepPage(
    conversation: string,
    messages: readonly MsgFrame['message'][],
    next: number | undefined,
  ): Promise<void> {
    const rest = this.#place.owed.filter(([name]) => name !== conversation)
    const changes = messages.flatMap((message) => this.show(message))
    this.#place = { ...this.#place, owed: next === undefined ? rest : [[conversation, next], ...rest] }
    await this.#keep(...changes)
  }

  /** This outbox is an old copy (`gave`). Its messages keep their ids and get numbers of a new boot. */
  async startNewBoot(): Promise<void> {
    const entries = [...this.#outbox.values()].toSorted((a, b) => a.n - b.n)
    this.#outbox.clear()
    const renumbered = entries.map((entry, index) => ({ ...entry, n: index + 1 }))
    for (const entry of renumbered) this.#outbox.set(entry.n, entry)
    this.#place = { ...this.#place, boot: newId(), next: renumbered.length + 1, sent: 0 }
    this.#durable = 0
    const { boot } = this.#place
    await this.#keep(
      ...entries.map(({ n }): Change => [keyOf('out', n), undefined]),
      ...renumbered.map((entry): Change => [keyOf('out', entry.n), { ...entry } as unknown as Kept]), // plain data
    )
    if (boot === this.#place.boot) this.#durable = Math.max(this.#durable, renumbered.length)
  }

  /** Why nothing is kept any more. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#writer.failure
  }

  /** Resolves when all of it so far is in the box; rejects if that failed. */
  durable(): Promise<void> {
    return this.#writer.settled()
  }

  async close(): Promise<void> {
    await this.#writer.close()
  }

  async #keep(...changes: readonly Change[]): Promise<void> {
    const upTo = this.#last
    const place: Change = [PLACE, { ...this.#place, seen: [...this.#seen] }]
    const written = this.#writer.write([...changes, place])
    await written
    this.#publish(upTo)
  }

  /** Durable up to this row: now it may be shown. */
  #publish(upTo: number): void {
    const from = this.#published
    this.#published = Math.max(from, upTo)
    for (const { key, said } of this.#rows) {
      const number = numberIn(key)
      if (number > from && number <= upTo) this.#events.onSaid(said)
    }
  }

  /** Where nobody waits for it: a failure is told by `onFailure`. */
  #keepBehind(...changes: readonly Change[]): void {
    this.#keep(...changes).catch(() => undefined)
  }

  #add(row: Row): void {
    this.#rows.push(row)
    this.#byId.set(row.said.id, row)
  }

  #append(said: Said): readonly Change[] {
    const row: Row = { key: keyOf('said', ++this.#last), said }
    this.#add(row)
    const gone: Row[] = []
    while (this.#rows.length > this.#history) {
      // An own one that has not come back in the inbox yet would be taken for another device's when it does.
      const at = this.#rows.findIndex(({ said: old }) => old.from === 'them' || old.sequence !== undefined)
      if (at < 0 || at === this.#rows.length - 1) break
      gone.push(...this.#rows.splice(at, 1))
    }
    for (const { said: old } of gone) this.#byId.delete(old.id)
    return [...gone.map(({ key }): Change => [key, undefined]), [row.key, { ...row } as unknown as Kept]] // plain data
  }

  #mark(
    id: string,
    mark: Mark,
    more: {
      readonly code?: string
      readonly messageId?: string
      readonly sequence?: number
      readonly conversation?: string
    } = {},
  ): readonly Change[] {
    const row = this.#byId.get(id)
    if (row === undefined) return []
    const { messageId, code, ...place } = more
    const isRising = rises(row.said.mark, mark)
    const said: Said = {
      ...row.said,
      ...place,
      ...(isRising && { mark }),
      ...(isRising && code !== undefined && { code }),
    }
    const next: Row = { ...row, said, ...(messageId !== undefined && { messageId }) }
    this.#rows[this.#rows.indexOf(row)] = next
    this.#byId.set(id, next)
    if (isRising) this.#events.onState({ what: 'mark', id, mark, ...(code !== undefined && { code }) })
    return [[next.key, { ...next } as unknown as Kept]] // plain data
  }

  #tellWaiting(): void {
    this.#events.onState({ what: 'outbox', waiting: this.#outbox.size })
  }
}

function fresh(): Place {
  return { device: newId(), boot: newId(), next: 1, epoch: '', offset: 0, seen: [], owed: [] }
}

function keyOf(kind: 'out' | 'said', number: number): string {
  return `${kind}/${String(number).padStart(DIGITS, '0')}`
}

function numberIn(key: string): number {
  return Number(key.slice(key.indexOf('/') + 1))
}

function textOf({ text, parts }: Pick<Outgoing, 'parts'> & { readonly text?: string }): string {
  return text ?? (parts ?? []).map((part) => part.text).join('\n')
}

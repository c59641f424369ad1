// What this device knows: its outbox by number, its place in the inbox, what was said. In memory, and in the box before it counts.
import type { HelloFrame, MsgFrame, RefusedFrame, SendFrame } from '../../api.ts'
import type { Box, Change, Opening } from './box.ts'
import { History, keyOf, numberIn, textOf } from './history.ts'
import type { Row } from './history.ts'
import { newId } from './ids.ts'
import { fresh } from './place.ts'
import type { Place } from './place.ts'
import type { Kept, Outgoing, Said, StateEvent } from './types.ts'
import { Writer } from './writer.ts'

export interface OwedPage {
  readonly messages: readonly MsgFrame['message'][]
  readonly next: number | undefined
  readonly isAnew?: boolean
}
interface Entry {
  readonly n: number
  readonly id: string
  readonly message: Outgoing
}

export interface LedgerEvents {
  /** `number` only goes up. */
  onSaid(said: Said, number: number): void
  onState(event: StateEvent): void
  /** The box cannot be written, or is another customer's: nothing is kept any more. */
  onFailure(error: unknown): void
}

const PLACE = 'place'
/** DESIGN §16: one frame on every link. */
const FRAME_BYTES = 64 * 1024

export class Ledger {
  readonly #writer: Writer
  readonly #events: LedgerEvents
  readonly #history: History
  #place: Place
  readonly #outbox = new Map<number, Entry>()
  /** The highest number that may be sent, as it is durable. */
  #durable: number
  /** Of those that were found after a gap: when each that the inbox has not brought too was received, by its id. Forgotten with the process. */
  readonly #inLogs = new Map<string, string>()

  private constructor(
    values: ReadonlyMap<string, Kept>,
    { box, history, events }: { readonly box: Box; readonly history: number; readonly events: LedgerEvents },
  ) {
    this.#writer = new Writer(box, (error) => events.onFailure(error))
    this.#events = events
    this.#place = (values.get(PLACE) as unknown as Place | undefined) ?? fresh() // as `#keep` has put it
    const rows: Row[] = []
    for (const key of [...values.keys()].toSorted()) {
      const value = values.get(key) as unknown // as this class has put it
      if (key.startsWith('out/')) this.#outbox.set(numberIn(key), value as Entry)
      if (key.startsWith('said/')) rows.push(value as Row)
    }
    this.#history = new History({
      most: history,
      seen: this.#place.seen,
      former: this.#place.former ?? [],
      rows,
      onMark: (id, mark, code) =>
        events.onState({ what: 'mark', id, mark, ...(code !== undefined && { code }) }),
    })
    this.#durable = this.#place.next - 1
  }

  /** Reads the box; a new one is given a device and a boot. Rejects where it cannot be read or written; then it is closed. */
  static async open(options: {
    readonly box: Box
    readonly history: number
    readonly events: LedgerEvents
    readonly opening?: Opening
  }): Promise<Ledger> {
    try {
      const values = await options.box.open(options.opening)
      const ledger = new Ledger(values, options)
      if (!values.has(PLACE)) await ledger.#keep()
      return ledger
    } catch (error) {
      await options.box.close()
      throw error
    }
  }

  /** What is durable here, the oldest first. */
  get said(): readonly Said[] {
    return this.#history.said
  }
  /** The number of the last of them. */
  get shown(): number {
    return this.#history.shown
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
  /** After a gap the inbox has not come to where it stood then. */
  get isBehind(): boolean {
    return this.#place.offset < (this.#place.until ?? 0)
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

  /** Whom the last token named that was welcomed. */
  get subject(): string | undefined {
    return this.#place.subject
  }

  /**
   * Whether this box is the customer's of that inbox, or of a token of that subject; where the one that it is known by is not said, it is
   * believed. If not, that is a failure: what is kept and waits here is somebody else's.
   */
  isOf({
    inbox,
    subject,
  }: {
    readonly inbox?: string | undefined
    readonly subject?: string | undefined
  }): boolean {
    const { inbox: ours = inbox, subject: known = subject } = this.#place
    const isIt = inbox === undefined ? subject === undefined || subject === known : inbox === ours
    if (!isIt)
      this.#events.onFailure(
        new Error('this box belongs to another customer: give each customer a box of his own'),
      )
    return isIt
  }

  /** This box is his from now on. */
  claim(inbox: string | undefined, subject: string | undefined): void {
    const { inbox: ours, subject: known } = this.#place
    if (inbox === ours && subject === known) return
    this.#place = {
      ...this.#place,
      ...(inbox !== undefined && { inbox }),
      ...(subject !== undefined && { subject }),
    }
    this.#keepBehind()
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

  /** Rejects with a `RangeError` what no link could carry; and where it could not be made durable: then nothing more can be. */
  async enqueue(message: Outgoing): Promise<Said> {
    const n = this.#place.next
    const entry: Entry = { n, id: newId(), message }
    const bytes = new TextEncoder().encode(JSON.stringify({ t: 'send', ...entry })).length
    if (bytes > FRAME_BYTES)
      throw new RangeError(`the message is a frame of ${bytes} bytes, more than ${FRAME_BYTES}`)
    const said: Said = {
      id: entry.id,
      from: 'me',
      at: new Date().toISOString(),
      text: textOf(message),
      message,
      mark: 'queued',
      ...(message.conversation !== undefined && { conversation: message.conversation }),
    }
    // From here on the number is used: a hole would be a lost message to the gateway (SEMANTICS 13).
    this.#place = { ...this.#place, next: n + 1 }
    this.#outbox.set(n, entry)
    await this.#keep([keyOf('out', n), { ...entry } as unknown as Kept], ...this.#history.append(said)) // plain data
    // Unless it has another number by now.
    if (this.#outbox.get(n) === entry) this.#durable = Math.max(this.#durable, n)
    this.#tellWaiting()
    return this.#history.saidAs(entry.id) ?? said
  }

  /** It is on its way; kept, so that after a restart the gateway's word on it is believed. */
  sent(n: number): void {
    const entry = this.#outbox.get(n)
    if (entry === undefined) return
    const changes = this.#history.mark(entry.id, 'sent')
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
    for (const entry of this.#outbox.values()) {
      if (entry.n > n) break // in the order of their numbers
      this.#outbox.delete(entry.n)
      changes.push([keyOf('out', entry.n), undefined])
      const code = codes.get(entry.n)
      if (code === undefined) {
        const { id, messageId, sequence } = stored ?? {}
        const is = id === entry.id && messageId !== undefined && sequence !== undefined
        changes.push(...this.#history.mark(entry.id, 'stored', is ? { messageId, sequence } : {}))
      } else changes.push(...this.#history.mark(entry.id, 'refused', { code }))
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
    this.#keepBehind([keyOf('out', n), undefined], ...this.#history.mark(entry.id, 'refused', { code }))
    this.#tellWaiting()
  }

  /** The next of the inbox. False: one before it is missing. Durable with the place it leads to, when `durable()` resolves. */
  take({ epoch, offset, message }: MsgFrame): boolean {
    if (epoch !== this.#place.epoch || offset <= this.#place.offset) return true
    if (offset !== this.#place.offset + 1) return false
    // What a log gave comes once more where the inbox still has it.
    const isNew = !this.#history.hasPassed(message)
    const { until, missing = 0 } = this.#place
    const found = isNew && this.isBehind ? 1 : 0
    this.#inLogs.delete(message.id)
    // Said while the logs were read: they were not among those that are looked for.
    const since = offset === until ? this.#foundSince(message.receivedAt) : 0
    this.#place = { ...this.#place, offset, missing: missing - found + since }
    this.#keepBehind(...(isNew ? this.#history.take(message) : []))
    return true
  }

  /**
   * The inbox cannot be read on from where it was (SEMANTICS 12, 23); what is between is in the logs, which are owed from now on. It goes on
   * at the oldest it has, or, where it is another one, from its beginning: there are conversations in it that are not known here. True: that
   * wants a new hello, as the gateway goes on after `top`. `oldest` is unknown of a gateway of before it was said: after `top` here too then.
   */
  moveTo(epoch: string, top: number, oldest = top + 1): boolean {
    const { epoch: former, offset: before, owed, until = 0, missing = 0 } = this.#place
    const isAnother = former !== '' && former !== epoch
    if (isAnother) this.#history.lookAgain()
    const earlier = new Map(owed)
    const offset = isAnother ? 0 : Math.min(top, Math.max(before, oldest - 1))
    this.#place = {
      ...this.#place,
      epoch: isAnother ? '' : epoch,
      offset,
      owed: this.#history.seen.map(([name, after]) => [name, Math.min(after, earlier.get(name) ?? after)]),
      until: isAnother ? 0 : top,
      missing: isAnother ? 0 : missing + Math.max(0, top - Math.max(before, until)),
    }
    this.#keepBehind()
    return isAnother || offset < top
  }

  #foundSince(receivedAt: string): number {
    return [...this.#inLogs.values()].filter((at) => at > receivedAt).length
  }

  /** Whether the logs and the inbox had all that was missing; undefined: they are not read so far yet. */
  foundAll(): boolean | undefined {
    const { owed, missing = 0 } = this.#place
    if (owed.length > 0 || this.isBehind) return undefined
    this.#place = { ...this.#place, missing: 0 }
    this.#inLogs.clear()
    this.#keepBehind()
    return missing <= 0
  }

  /** The inbox is of this epoch, and goes on where it was. */
  begin(epoch: string): void {
    if (epoch === this.#place.epoch) return
    this.#place = { ...this.#place, epoch }
    this.#keepBehind()
  }

  /**
   * A page of a log that was owed; its end: `next` undefined. `isAnew`: the log is gone, or another one that ends before what was seen.
   * Durable when it resolves.
   */
  async keepPage(conversation: string, { messages, next, isAnew = false }: OwedPage): Promise<void> {
    if (isAnew) this.#history.beginAnew(conversation)
    const rest = this.#place.owed.filter(([name]) => name !== conversation)
    const found = this.#history.newOf(messages)
    for (const { id, receivedAt } of found) this.#inLogs.set(id, receivedAt)
    const changes = messages.flatMap((message) => this.#history.take(message))
    this.#place = {
      ...this.#place,
      owed: next === undefined ? rest : [[conversation, next], ...rest],
      missing: (this.#place.missing ?? 0) - found.length,
    }
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
    const upTo = this.#history.last
    const { seen, former } = this.#history
    const place: Change = [PLACE, { ...this.#place, seen, former } as unknown as Kept] // plain data
    const written = this.#writer.write([...this.#history.forgotten(), ...changes, place])
    await written
    for (const { said, number } of this.#history.show(upTo)) this.#events.onSaid(said, number)
  }

  /** Where nobody waits for it: a failure is told by `onFailure`. */
  #keepBehind(...changes: readonly Change[]): void {
    this.#keep(...changes).catch(() => undefined)
  }

  #tellWaiting(): void {
    this.#events.onState({ what: 'outbox', waiting: this.#outbox.size })
  }
}

// What was said, as far as this device keeps it: each message once, known by its id and by its place in its conversation.
import type { MsgFrame } from '../../api.ts'
import type { Change } from './box.ts'
import { marksOf, rises } from './marks.ts'
import type { Kept, Mark, Outgoing, Said } from './types.ts'

/** `messageId`: the gateway's id of one that was sent from here; any other has it as `said.id`. */
export type Row = { readonly key: string; said: Said; readonly messageId?: string }

/** The highest sequence seen of a conversation, and when the gateway received the last one seen; a box from before that was kept does not say. */
export type Seen = readonly [conversation: string, sequence: number, receivedAt?: string]

export interface HistoryOptions {
  /** Messages kept, beside those that were not shown yet. */
  readonly most: number
  readonly seen: Iterable<Seen>
  /** What `seen` was of conversations whose sequences began anew. */
  readonly former: Iterable<Seen>
  /** What the box has of it, in order. */
  readonly rows: readonly Row[]
  readonly onMark: (id: string, mark: Mark, code: string | undefined) => void
}

const DIGITS = 15

export class History {
  readonly #most: number
  readonly #onMark: HistoryOptions['onMark']
  readonly #seen: Map<string, Seen>
  readonly #former: Map<string, Seen>
  readonly #rows: Row[]
  readonly #byId: Map<string, Row>
  #last: number
  #shown: number
  /** Forgotten here, and not in the box yet. */
  #gone: Change[] = []

  constructor({ most, seen, former, rows, onMark }: HistoryOptions) {
    this.#most = most
    this.#onMark = onMark
    this.#seen = byConversation(seen)
    this.#former = byConversation(former)
    this.#rows = [...rows]
    this.#byId = new Map(rows.map((row) => [row.said.id, row]))
    this.#last = numberIn(rows.at(-1)?.key ?? 'said/0')
    this.#shown = this.#last
    this.#forget()
  }

  /** The number of the last row. */
  get last(): number {
    return this.#last
  }
  /** And of the last one that may be shown. */
  get shown(): number {
    return this.#shown
  }
  get seen(): readonly Seen[] {
    return [...this.#seen.values()]
  }
  get former(): readonly Seen[] {
    return [...this.#former.values()]
  }
  /** What is durable here, the oldest first. */
  get said(): readonly Said[] {
    return this.#rows.filter(({ key }) => numberIn(key) <= this.#shown).map(({ said }) => said)
  }

  saidAs(id: string): Said | undefined {
    return this.#byId.get(id)?.said
  }

  /** Durable up to this row: what may be shown from now on. */
  show(upTo: number): readonly { readonly number: number; readonly said: Said }[] {
    const from = this.#shown
    this.#shown = Math.max(from, upTo)
    // They stand at the end: what was shown before is not gone through at each write.
    const first = this.#rows.findLastIndex(({ key }) => numberIn(key) <= from) + 1
    const shown = this.#rows
      .slice(first)
      .map(({ key, said }) => ({ number: numberIn(key), said }))
      .filter(({ number }) => number <= upTo)
    this.#forget()
    return shown
  }

  /** What the box need not keep any more; told once. */
  forgotten(): readonly Change[] {
    const gone = this.#gone
    this.#gone = []
    return gone
  }

  /** Whether it was here before, perhaps in a log and so long ago that its id is forgotten. */
  hasPassed({ conversation, sequence }: MsgFrame['message']): boolean {
    return sequence <= this.#seenOf(conversation)
  }

  /** Which of these the inbox had, and are ahead of what was seen of their conversation: a log has events and requests too. */
  newOf(messages: readonly MsgFrame['message'][]): readonly MsgFrame['message'][] {
    return messages.filter((message) => message.kind === 'message' && !this.hasPassed(message))
  }

  /** A store that came from a backup gives sequences out again: everything known here is to be looked at again, and dropped by its id. */
  lookAgain(): void {
    // Not the first row's: an own one that was stored later than others may stand before them, or not be stored yet.
    for (const { said } of this.#rows) {
      const { conversation, sequence } = said
      const seen = this.#seen.get(conversation ?? '')
      if (seen === undefined || sequence === undefined) continue
      const [name, upTo, ...receivedAt] = seen
      this.#seen.set(name, [name, Math.min(upTo, sequence - 1), ...receivedAt])
    }
  }

  /** Its log is gone, or ends before what was seen: sequences begin there anew, and what was shown of the former ones is not shown again. */
  beginAnew(conversation: string): void {
    const seen = this.#seen.get(conversation)
    if (seen === undefined) return
    this.#seen.delete(conversation)
    this.#former.set(conversation, latest(seen, this.#former.get(conversation)))
  }

  /** Once by its id, and what it says of own messages. Returns what is to be kept. */
  take(message: MsgFrame['message']): readonly Change[] {
    const { conversation, sequence, receivedAt } = message
    if (!this.hasPassed(message))
      this.#seen.set(conversation, latest([conversation, sequence, receivedAt], this.#seen.get(conversation)))
    const own = this.#byId.get(message.externalId ?? '')
    if (own !== undefined && message.direction === 'inbound')
      return this.mark(own.said.id, 'stored', { messageId: message.id, sequence, conversation })
    if (this.#byId.has(message.id) || this.#isForgotten(message)) return []
    const changes = marksOf(message, this.#rows).flatMap(({ id, mark }) => this.mark(id, mark))
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
    return [...changes, ...this.append(said)]
  }

  append(said: Said): readonly Change[] {
    const row: Row = { key: keyOf('said', ++this.#last), said }
    this.#rows.push(row)
    this.#byId.set(said.id, row)
    return [[row.key, { ...row } as unknown as Kept]] // plain data
  }

  mark(
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
    if (isRising) this.#onMark(id, mark, code)
    return [[next.key, { ...next } as unknown as Kept]] // plain data
  }

  #forget(): void {
    while (this.#rows.length > this.#most) {
      const at = this.#rows.findIndex((row) => this.#mayGo(row))
      if (at < 0) return
      for (const { key, said } of this.#rows.splice(at, 1)) {
        this.#byId.delete(said.id)
        this.#gone.push([key, undefined])
      }
    }
  }

  /** Not before it was shown; and an own one that has not come back yet would be taken for another device's when it does. */
  #mayGo({ key, said }: Row): boolean {
    const { from, message, conversation, sequence, mark } = said
    if (numberIn(key) > this.#shown) return false
    if (from === 'them' || mark === 'refused') return true
    // The inbox does not bring an event back.
    if (message.kind === 'event') return mark !== 'queued' && mark !== 'sent'
    return conversation !== undefined && sequence !== undefined && sequence <= this.#seenOf(conversation)
  }

  /**
   * Where sequences began anew (`beginAnew`): whether it was shown and is kept no more. A restored log has such ones under their former sequences;
   * what is said since, there or in another log under that name, was received later than all that was seen.
   */
  #isForgotten({ conversation, sequence, receivedAt }: MsgFrame['message']): boolean {
    const [, upTo = 0, lastAt = ''] = this.#former.get(conversation) ?? []
    return sequence <= upTo && receivedAt <= lastAt
  }

  #seenOf(conversation: string): number {
    return this.#seen.get(conversation)?.[1] ?? 0
  }
}

function byConversation(seen: Iterable<Seen>): Map<string, Seen> {
  return new Map(Array.from(seen, (one) => [one[0], one]))
}

/** The higher sequence and the later time of both. */
function latest(
  [conversation, sequence, receivedAt = '']: Seen,
  [, upTo = 0, lastAt = '']: Seen | readonly [] = [],
): Seen {
  return [conversation, Math.max(sequence, upTo), receivedAt > lastAt ? receivedAt : lastAt]
}

export function keyOf(kind: 'out' | 'said', number: number): string {
  return `${kind}/${String(number).padStart(DIGITS, '0')}`
}

export function numberIn(key: string): number {
  return Number(key.slice(key.indexOf('/') + 1))
}

export function textOf({ text, parts }: Pick<Outgoing, 'parts'> & { readonly text?: string }): string {
  return text ?? (parts ?? []).map((part) => part.text).join('\n')
}

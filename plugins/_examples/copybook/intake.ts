// One record on its way in: which it is, what it says, and the record that answers it.
import { GatewayError } from 'dragoman'
import type { Accepted, ChannelHost, Fault, Identity, Json, Kind } from 'dragoman'
import type { Charset } from './charset.ts'
import { booksOf, named } from './config.ts'
import type { ChannelConfig } from './config.ts'
import { fitted, framed } from './frames.ts'
import type { FramingOptions } from './frames.ts'
import type { RecordCodec } from './record.ts'

export interface Arrival {
  readonly record: Uint8Array
  /** What it is where the channel's `operations` do not say. */
  readonly kind: Kind
  readonly externalId?: string
  readonly identity?: Identity
  readonly signal?: AbortSignal
}

/** A record, and as it goes over a line. */
export interface Answered {
  readonly record: Uint8Array
  readonly frame: Uint8Array
}

export interface Taken {
  /** Absent: nobody could tell which record it is. */
  readonly accepted?: Accepted
  /** What is to be sent back; absent: this record has no answer. */
  readonly answer?: Answered
  readonly fault?: Fault
  readonly refused?: GatewayError
}

export interface Intake {
  readonly framing: FramingOptions
  /** Hands one record in. Never throws: a refusal is an outcome too. */
  take(arrival: Arrival, host: ChannelHost): Promise<Taken>
}

interface Kindred {
  readonly operation: string
  readonly book: RecordCodec
  readonly when?: { readonly field: string; readonly is: readonly string[] } | undefined
  readonly answer?: Answering
}

/** Compiles the channel's records. Throws `TypeError` for what the config has wrong. */
export function intakeOf(config: ChannelConfig): Intake {
  const books = booksOf(config)
  const { charset } = books
  const records = config.records.map(({ operation, copybook, when, answer }, index): Kindred => {
    const who = `records[${index}]`
    const book = books.book(copybook, who)
    if (when !== undefined) named(`${who}: when`, () => book.has(when.field))
    const answering =
      answer === undefined
        ? undefined
        : answeringOf(answer, { book: books.book(answer.copybook, who), who, config, charset })
    return { operation, book, when, ...(answering !== undefined && { answer: answering }) }
  })
  const longestRecord = Math.max(...records.map(({ book }) => book.maxBytes))
  const { framing } = config
  const maxBytes = framing.by === 'fixed' ? (framing.length ?? longestRecord) : longestRecord

  /** The first whose condition holds; a record that cannot even be looked at is the next one's. */
  function kindOf(record: Uint8Array): Kindred | undefined {
    return records.find(({ book, when }) => {
      if (when === undefined) return true
      try {
        return when.is.includes(
          String(book.peek(when.field, fitted(record, book, { framing, charset })) ?? ''),
        )
      } catch (error) {
        if (error instanceof RangeError) return false
        throw error
      }
    })
  }

  async function hand({ book, operation }: Kindred, arrival: Arrival, host: ChannelHost): Promise<Accepted> {
    const { record, kind, externalId, identity, signal } = arrival
    const draft = await host.draft(operation, decoded(book, fitted(record, book, { framing, charset })), {
      kind,
      ...(externalId !== undefined && { externalId }),
      raw: { mediaType: 'application/octet-stream', bytes: record },
    })
    if (draft === undefined)
      throw new GatewayError('NO_ROUTE', `operation "${operation}" is not offered here`)
    return host.accept(draft, {
      ...(identity !== undefined && { identity }),
      ...(signal !== undefined && { signal }),
    })
  }

  return {
    framing: { framing, charset, maxBytes },
    async take(arrival, host) {
      const kindred = kindOf(arrival.record)
      try {
        if (kindred === undefined)
          throw new GatewayError(
            'DECODE_FAILED',
            `none of the channel's records is one of these ${arrival.record.byteLength} bytes`,
          )
        const accepted = await hand(kindred, arrival, host)
        const fault = accepted.reply?.fault
        const answer = kindred.answer?.of(accepted.reply?.data, fault)
        return { accepted, ...(fault !== undefined && { fault }), ...(answer !== undefined && { answer }) }
      } catch (error) {
        const refused = GatewayError.from(error)
        const answer = kindred?.answer?.refusal(refused)
        return { refused, ...(answer !== undefined && { answer }) }
      }
    },
  }
}

function decoded(book: RecordCodec, record: Uint8Array): Json {
  try {
    return book.decode(record)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new GatewayError('DECODE_FAILED', error.message, { cause: error })
  }
}

// ─── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Answering {
  /** Throws `ENCODE_FAILED`. */
  of(data: Json | undefined, fault: Fault | undefined): Answered
  refusal(error: GatewayError): Answered
}

type AnswerConfig = NonNullable<ChannelConfig['records'][number]['answer']>
interface AnswerContext {
  readonly book: RecordCodec
  readonly who: string
  readonly config: ChannelConfig
  readonly charset: Charset
}

function answeringOf(
  { ok, refused, code, message }: AnswerConfig,
  { book, who, config: { framing }, charset }: AnswerContext,
): Answering {
  const made = (data: Json): Answered => {
    const record = book.encode(data)
    return { record, frame: framed(record, { framing, charset, maxBytes: book.maxBytes }) }
  }
  named(`${who}: answer.ok`, () => made(ok))
  named(`${who}: answer.refused`, () => made(refused))
  for (const member of [code, message])
    if (member !== undefined) named(`${who}: answer`, () => book.encode({ [member]: '' }))

  const said = (ownCode: string, text: string): Answered => {
    const words = [
      [code, ownCode],
      [message, text],
    ] as const
    const data: Record<string, Json> = { ...refused }
    for (const [member, word] of words) if (member !== undefined) data[member] = longest(book, member, word)
    return made(data)
  }
  return {
    of(data, fault) {
      if (fault !== undefined) return said(fault.code, fault.message)
      try {
        return made({ ...membersIn(data), ...ok })
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        throw new GatewayError('ENCODE_FAILED', `the answer does not fit its record: ${error.message}`, {
          cause: error,
        })
      }
    },
    refusal: (error) => said(error.code, error.message),
  }
}

function membersIn(data: Json | undefined): Readonly<Record<string, Json>> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return {}
  return data as Readonly<Record<string, Json>> // an object that is no array
}

/** A longer text is not looked at: no record has such a field for messages. */
const MAX_TEXT = 256

/** As much of a text as the field takes; characters its charset does not have become "?". */
function longest(book: RecordCodec, member: string, text: string): string {
  const fits = (value: string): boolean => {
    try {
      book.encode({ [member]: value })
      return true
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
  }
  const plain = Array.from(text.slice(0, MAX_TEXT), (character) => (fits(character) ? character : '?'))
  let [from, to] = [0, plain.length]
  while (from < to) {
    const half = Math.ceil((from + to) / 2)
    if (fits(plain.slice(0, half).join(''))) from = half
    else to = half - 1
  }
  return plain.slice(0, from).join('')
}

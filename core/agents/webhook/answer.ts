// What a bot answered: a reply, a hand-off, nothing yet, or a breakage. It may be anybody's program: nothing is taken on trust.
import { GatewayError } from 'dragoman'
import type { Answer, Handoff, Json } from 'dragoman'
import { z } from 'zod'
import { parseExact } from './exact-json.ts'

export interface ReadOptions {
  /** `agent "helper"`, for messages. */
  readonly who: string
  readonly now: number
}

const MAX_PARTS = 100
const MAX_REASON = 1_000
/** A number as JSON writes it, of no more digits than a double keeps. */
const DECIMAL = /^\d{1,16}(\.\d+)?([eE][+-]?\d{1,2})?$/
/** Whatever JSON.parse gives is plain data; looking into it would cost its member names. */
const json = z.custom<Json>((value) => value !== undefined)
const text = z.string()
/** Not `z.record`, which would drop a member named `__proto__`. */
const metadata = nullIsAbsent(
  z.custom<Record<string, string>>(
    (value) => isObject(value) && Object.values(value).every((member) => typeof member === 'string'),
    'Invalid input: expected an object of texts',
  ),
)
const media = z.object({
  url: text.exactOptional(),
  id: text.exactOptional(),
  mediaType: text.exactOptional(),
  name: text.exactOptional(),
  bytes: z.unknown().overwrite(integerOf).pipe(z.int().nonnegative()).exactOptional(),
})
const part = nullIsAbsent(
  z.object({
    kind: z.enum(['text', 'image', 'audio', 'video', 'file', 'location', 'link', 'card']),
    text,
    media: nullIsAbsent(media).exactOptional(),
    data: json.exactOptional(),
  }),
)
const fault = z.object({ code: text.min(1), message: text, detail: json.exactOptional() })

/** Unknown members are left out (DESIGN §16); the core sets the origin. */
const reply = z.object({
  text: text.exactOptional(),
  parts: z.array(part).max(MAX_PARTS).exactOptional(),
  data: json.exactOptional(),
  fault: fault.exactOptional(),
  metadata: metadata.exactOptional(),
})
const handoff = z.object({ handoff: text.overwrite(shortened) })

const known = ['handoff', ...Object.keys(reply.shape)]
/** Many languages write what is absent as null. `data` may well be null. */
const absentAsNull = new Set(['handoff', 'text', 'parts', 'fault', 'metadata'])

/**
 * Reads a bot's answer. Undefined: taken, the answer comes later (202). Empty: nothing to say (204, an empty body, `{}`).
 *
 * Throws `AGENT_FAILED` for every other status than 2xx (its `detail.status` says which; `retryAfterMs` from a 429 or 503)
 * and for a body that is no answer.
 */
export async function readAnswer(
  response: Response,
  options: ReadOptions,
): Promise<Answer | Handoff | undefined> {
  const { status } = response
  const bytes = await response.bytes()
  if (status < 200 || status > 299) throw refusalOf(response, bytes, options)
  if (status === 202) return undefined
  if (status === 204) return {}
  try {
    return parseAnswer(bytes, typeOf(response))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError('AGENT_FAILED', `${options.who} answered ${status} ${why}`, {
      cause: error,
      detail: { status },
    })
  }
}

/** The body of an answer, or of a callback: the same words both ways. Throws `TypeError` with what is wrong, to follow "answered". */
export function parseAnswer(bytes: Uint8Array, what = 'a body'): Answer | Handoff {
  let body: unknown
  try {
    const content = utf8.decode(bytes).trim()
    if (content === '') return {}
    body = parseExact(content)
  } catch (error) {
    throw new TypeError(`with ${what} that is not JSON in UTF-8`, { cause: error })
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new TypeError('with JSON that is not an object: { "text": … } is the shortest answer')
  const members = Object.entries(body)
  if (members.length === 0) return {}
  const given: Partial<Record<string, unknown>> = Object.fromEntries(
    members.filter(([name, value]) => known.includes(name) && !(value === null && absentAsNull.has(name))),
  )
  if (Object.keys(given).length === 0) throw new TypeError(`with none of ${known.join(', ')}`)
  const read = (given['handoff'] === undefined ? reply : handoff).safeParse(given)
  if (!read.success)
    throw new TypeError(`with what is no answer: ${wordsOf(read.error)}`, { cause: read.error })
  return read.data
}

/** Of an object's members, `data` apart, those that are null are taken for absent. */
function nullIsAbsent<T extends z.ZodType>(schema: T) {
  return z
    .unknown()
    .overwrite((value) =>
      isObject(value)
        ? Object.fromEntries(
            Object.entries(value).filter(([name, member]) => member !== null || name === 'data'),
          )
        : value,
    )
    .pipe(schema)
}

/** `1.0` and `1e2` are integers (JSON Schema Core §4.2.3), which `parseExact` keeps as the text they were. */
function integerOf(value: unknown): unknown {
  if (typeof value !== 'string' || !DECIMAL.test(value)) return value
  const number = Number(value)
  return Number.isSafeInteger(number) && String(number) !== value ? number : value
}

/** A hand-off is never refused for the length of its reason: the customer would wait for an answer that nobody gives. */
function shortened(reason: string): string {
  if (reason.length <= MAX_REASON) return reason
  return `${reason.slice(0, MAX_REASON - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function refusalOf(response: Response, bytes: Uint8Array, { who, now }: ReadOptions): GatewayError {
  const { status, headers } = response
  const later = status === 429 || status === 503 ? retryAfterMs(headers.get('retry-after'), now) : undefined
  const said = new TextDecoder().decode(bytes.subarray(0, 2_000))
  // What a breaking program says (5xx) is for our log alone; a 4xx explains itself to whoever wrote the other end.
  const explained = status >= 400 && status < 500 ? explanation(said, response) : undefined
  const isRedirect = status >= 300 && status < 400
  const hint = isRedirect ? 'put its final address into the config; ' : ''
  return new GatewayError(
    'AGENT_FAILED',
    `${who} answered ${status}${explained ?? (isRedirect ? ', a redirect' : '')}`,
    {
      cause: new Error(`${hint}the answer begins: ${said}`),
      detail: { status },
      notExecuted: status === 429, // SEMANTICS 3
      ...(later !== undefined && { retryAfterMs: later }),
    },
  )
}

/** One line of at most 200 characters: a plain text's first, or what an error in JSON says of itself. */
function explanation(said: string, response: Response): string | undefined {
  const type = typeOf(response)
  let line: unknown = type === 'text/plain' ? said : undefined
  if (type.endsWith('json')) {
    try {
      const body = new Map<string, unknown>(Object.entries(Object(JSON.parse(said))))
      line = ['detail', 'message', 'error', 'title']
        .map((name) => body.get(name))
        .find((member) => typeof member === 'string')
    } catch {
      return undefined // an explanation that cannot be read explains nothing; the cause has its text
    }
  }
  if (typeof line !== 'string') return undefined
  const [first = ''] = line.trim().split(/[\r\n]/)
  const clean = first
    .replaceAll(/\p{Cc}/gu, ' ')
    .slice(0, 200)
    .trim()
  return clean === '' ? undefined : `: ${clean}`
}

/** RFC 9110 §10.2.3: seconds or a date; never more than a day. */
function retryAfterMs(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const ms = /^\s*\d+\s*$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), 86_400_000)
}

function typeOf(response: Response): string {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  return type === undefined || type === '' ? 'a body' : type
}

function wordsOf({ issues }: z.ZodError): string {
  return issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`.slice(0, 200))
    .join('; ')
}

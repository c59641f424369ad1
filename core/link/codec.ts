// From what arrived to frames: text, bytes or parsed JSON; what is no frame becomes a refusal that can be answered.
import type { Json, UpFrame } from '../api.ts'
import { parseExact } from '../json.ts'
import { FRAMES_AT_ONCE, FRAME_BYTES } from './figures.ts'
import { upFrame } from './frames.ts'

/** A frame, or why it is none; `n` and `id` where they can be read, so that the queue behind it moves on. */
export type Arrival =
  | { readonly status: 'frame'; readonly frame: UpFrame }
  | {
      readonly status: 'refused'
      readonly code: string
      readonly message: string
      readonly n?: number
      readonly id?: string
    }

const MAX_ID = 256
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Never throws. One frame, an array of at most 256, or `{ frames: […] }` as HTTP has it; each at most 64 KiB (DESIGN §16) as compact
 * JSON text with its numbers as they came, so that it does not matter what a frame arrives with.
 */
export function readFrames(input: string | Uint8Array | Json): readonly Arrival[] {
  let text: string | undefined
  let isSmall = false
  let value: unknown = input
  if (typeof input === 'string' || input instanceof Uint8Array) {
    isSmall = lengthOf(input) <= FRAME_BYTES
    try {
      text = typeof input === 'string' ? input : decoder.decode(input)
      value = parse(text)
    } catch {
      // What the parser says may quote the input; that it is no JSON is all there is to say.
      return [refused('DECODE_FAILED', 'a frame is JSON text in UTF-8 (RFC 8259)')]
    }
  }
  const values = framesIn(value)
  if (values.length > FRAMES_AT_ONCE)
    return [refused('DECODE_FAILED', `${values.length} frames are more than ${FRAMES_AT_ONCE} at once`)]
  // Compact text is never longer than the text it was made of: nearly no arrival need be measured.
  if (isSmall) return values.map((each) => readFrame(each, 0))
  const sizes = sizesOf(values, text)
  return values.map((each, at) => readFrame(each, sizes[at]))
}

function framesIn(value: unknown): readonly unknown[] {
  const isEnvelope = typeof value === 'object' && value !== null && 'frames' in value && !('t' in value)
  const said = isEnvelope ? value.frames : value
  return Array.isArray(said) ? said : [said]
}

/** Only text that has one of these can hold a number that a double would change. */
const DELICATE = /\d{16}|\d[.eE]|-0/u

/** No digit is lost on the way through a double (DESIGN §3). Throws `SyntaxError`. */
function parse(text: string): unknown {
  if (!DELICATE.test(text)) return JSON.parse(text)
  try {
    return parseExact(text)
  } catch (error) {
    // Its reviver recurses. What is nested as deep as that is refused further on, by its number.
    if (error instanceof RangeError) return JSON.parse(text)
    throw error
  }
}

/** The bytes of each as compact JSON text; `text`: what they were parsed from, if it was text. Undefined: nested too deep to be written. */
function sizesOf(values: readonly unknown[], text: string | undefined): readonly (number | undefined)[] {
  const sizes = values.map(bytesOf)
  const isAnyLarge = sizes.some((bytes) => bytes !== undefined && bytes > FRAME_BYTES)
  if (!isAnyLarge || text === undefined || !DELICATE.test(text)) return sizes
  // Of a number that was kept as a text the quotes have been counted too.
  return framesIn(JSON.parse(masked(text))).map(bytesOf)
}

/** A string, or what stands for a number: digits are nowhere else in JSON text. */
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gu

/** The same JSON with a string as long as its text in the place of each number: a reviver that keeps their texts costs several times as much. */
function masked(text: string): string {
  return text.replace(STRING_OR_NUMBER, (token) =>
    token.startsWith('"') || token.length < 2 ? token : `"${'0'.repeat(token.length - 2)}"`,
  )
}

/** `bytes`: undefined where it is nested too deep to be measured. */
function readFrame(value: unknown, bytes: number | undefined): Arrival {
  countIn(value)
  const named = namesOf(value)
  if (bytes === undefined) return refused('DECODE_FAILED', 'the frame is nested too deep', named)
  if (bytes > FRAME_BYTES)
    return refused('too_large', `the frame has ${bytes} bytes, more than ${FRAME_BYTES}`, named)
  const read = upFrame.safeParse(value)
  if (read.success) return { status: 'frame', frame: read.data }
  const [issue] = read.error.issues
  const where = issue?.path.map(String).join('.').slice(0, 100) ?? ''
  const what = issue?.message.slice(0, 200) ?? 'it is no frame'
  return refused('DECODE_FAILED', where === '' ? what : `${where}: ${what}`, named)
}

function refused(
  code: string,
  message: string,
  named: { readonly n?: number; readonly id?: string } = {},
): Arrival {
  return { status: 'refused', code, message, ...named }
}

const COUNTERS = ['v', 'n', 'first', 'offset'] as const

/** `1.0` and `1e1` are whole numbers (JSON Schema 2020-12 §6.1.1); their exact text is kept of what is said alone. */
function countIn(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  const frame = value as Record<string, unknown> // any object may be asked for members
  for (const name of COUNTERS) {
    const text = frame[name]
    if (typeof text === 'string' && /^\d+(?:\.0+)?(?:e\+?\d+)?$/iu.test(text) && /\D/u.test(text))
      frame[name] = Number(text)
  }
}

/** Of a `send` alone: nothing else uses a number up. */
function namesOf(value: unknown): { readonly n?: number; readonly id?: string } {
  if (typeof value !== 'object' || value === null) return {}
  const { t, n, id } = value as { readonly t?: unknown; readonly n?: unknown; readonly id?: unknown } // any object may be asked for members
  if (t !== 'send') return {}
  return {
    ...(Number.isSafeInteger(n) && typeof n === 'number' && n >= 1 && { n }),
    ...(typeof id === 'string' && id !== '' && id.length <= MAX_ID && id.isWellFormed() && { id }),
  }
}

function bytesOf(value: unknown): number | undefined {
  try {
    return Buffer.byteLength(JSON.stringify(value) ?? '')
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function lengthOf(input: string | Uint8Array): number {
  return typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength
}

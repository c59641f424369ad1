// The body of a request: read whole up to a limit, decompressed up to the same limit, or dropped.
import type { IncomingMessage } from 'node:http'
import { createGunzip, createInflate } from 'node:zlib'
import { GatewayError } from '../api.ts'
import { type CallerGone, Refusal } from './refusal.ts'

/** Of the budget, what those may hold whom nobody has identified yet: who only sends must not keep out who may. */
const SHARE_OF_STRANGERS = 0.5

/** Bytes of bodies held at once, over all connections; beyond it requests are refused instead of swapped to disk. */
export class BodyBudget {
  readonly #maxBytes: number
  #used = 0
  #byStrangers = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  take(bytes: number, isStranger: boolean): boolean {
    if (this.#used + bytes > this.#maxBytes) return false
    if (isStranger) {
      if (this.#byStrangers + bytes > this.#maxBytes * SHARE_OF_STRANGERS) return false
      this.#byStrangers += bytes
    }
    this.#used += bytes
    return true
  }

  giveBack(bytes: number, isStranger: boolean): void {
    this.#used -= bytes
    if (isStranger) this.#byStrangers -= bytes
  }
}

/** What one request holds of the budget. */
export class BodyShare {
  readonly #budget: BodyBudget
  readonly #isStranger: boolean
  #bytes = 0

  /** `isStranger`: his credential is in the body, or there is none. */
  constructor(budget: BodyBudget, isStranger: boolean) {
    this.#budget = budget
    this.#isStranger = isStranger
  }

  take(bytes: number): boolean {
    if (!this.#budget.take(bytes, this.#isStranger)) return false
    this.#bytes += bytes
    return true
  }

  /** What is dropped, and is held no more. Absent: all of it. */
  giveBack(bytes = this.#bytes): void {
    this.#bytes -= bytes
    this.#budget.giveBack(bytes, this.#isStranger)
  }
}

export interface ReadBody {
  readonly limitBytes: number
  readonly share: BodyShare
  /** Handed a function that ends the reading: the parser has given up, time is over, the caller is gone. */
  readonly onFail: (fail: (why: Refusal | CallerGone) => void) => void
}

const inflaters = { gzip: createGunzip, deflate: createInflate }
type Coding = keyof typeof inflaters

/** What can be told from the head alone: the length if it is declared, the coding. Throws `Refusal`. */
export function checkDeclared(headers: Readonly<Record<string, string>>, limitBytes: number): void {
  if (Number(headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes)
  if (codingOf(headers) === undefined)
    throw new Refusal(
      'coding',
      new GatewayError('UNSUPPORTED_MEDIA', 'content codings taken are gzip, deflate and identity'),
      { 'accept-encoding': 'gzip, deflate, identity' }, // RFC 9110 §12.5.3
    )
}

/**
 * Reads the body whole into memory of its own: a view on the socket's buffer would take the neighbours' bytes along when
 * it is cloned into a worker. Throws `Refusal` beyond the limit, and what it is made to fail with.
 */
export function readBody(incoming: IncomingMessage, options: ReadBody): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    let over = false
    const fail = (refusal: Refusal | CallerGone): void => {
      if (over) return // read whole: it is held until its request is over, whoever has gone
      over = true
      chunks.length = 0
      options.share.giveBack()
      reject(refusal)
    }
    incoming.on('data', (chunk: Uint8Array) => {
      if (over) return
      length += chunk.length
      if (length > options.limitBytes) fail(tooLarge(options.limitBytes))
      else if (options.share.take(chunk.length)) chunks.push(chunk)
      else fail(noMemory())
    })
    incoming.on('end', () => {
      if (over) return
      over = true
      resolve(joined(chunks, length))
    })
    options.onFail(fail)
  })
}

/** The body without its content coding, never more than the limit, and in the place of what was read. Throws `Refusal`. */
export async function decodeBody(
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  { limitBytes, share }: Pick<ReadBody, 'limitBytes' | 'share'>,
): Promise<Uint8Array> {
  const coding = codingOf(headers)
  if (coding === undefined || coding === 'identity') return body
  const inflater = inflaters[coding]()
  inflater.end(body)
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of inflater as AsyncIterable<Uint8Array>) {
      length += chunk.length
      if (length > limitBytes) throw tooLarge(limitBytes)
      if (!share.take(chunk.length)) throw noMemory()
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof Refusal) throw error
    const told = new GatewayError('DECODE_FAILED', `the body is not valid ${coding}`, { cause: error })
    throw new Refusal('coding', told)
  }
  share.giveBack(body.length)
  return joined(chunks, length)
}

/** Reads and drops, so that a caller who is still sending gets to read the answer; resolves at the end, or at a limit. */
export function dropBody(
  incoming: IncomingMessage,
  limits: { maxBytes: number; maxMs: number },
): Promise<void> {
  return new Promise((resolve) => {
    if (incoming.destroyed || incoming.readableEnded || incoming.socket.readableEnded) {
      resolve()
      return
    }
    let dropped = 0
    const done = (): void => {
      clearTimeout(timer)
      incoming.off('data', onData).off('end', done).off('close', done)
      incoming.socket.off('end', done)
      resolve()
    }
    const onData = (chunk: Uint8Array): void => {
      dropped += chunk.length
      if (dropped > limits.maxBytes) done()
    }
    const timer = setTimeout(done, limits.maxMs)
    incoming.socket.once('end', done)
    incoming.on('data', onData).on('end', done).on('close', done)
    incoming.resume()
  })
}

function codingOf(headers: Readonly<Record<string, string>>): Coding | 'identity' | undefined {
  const coding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (coding === 'gzip' || coding === 'x-gzip') return 'gzip' // RFC 9110 §8.4.1.3
  if (coding === 'deflate' || coding === 'identity') return coding
  return coding === '' ? 'identity' : undefined
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = chunks
  // The parser mostly copies a chunk out of the socket's buffer, into memory just as long.
  if (only?.length === length && only.buffer.byteLength === length) return new Uint8Array(only.buffer)
  const whole = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

function tooLarge(limitBytes: number): Refusal {
  return new Refusal('body', new GatewayError('TOO_LARGE', `the body is larger than ${limitBytes} bytes`))
}

function noMemory(): Refusal {
  return new Refusal('memory', new GatewayError('OVERLOADED', 'too many request bodies at once'))
}

// Writes an answer to the socket: whole with its length, or streamed with back-pressure.
import type { ServerResponse } from 'node:http'
import type { HttpResponse } from '../api.ts'
import type { TextResponse } from './problem.ts'

export type Outgoing = ServerResponse

export interface RespondOptions {
  /** No further request is served on this connection: `Connection: close` (RFC 9112 §9.6). */
  readonly close: boolean
  /** A peer that takes nothing for this long is gone. */
  readonly stallMs: number
  /** The peer is gone or the gateway stops: tells the source of a stream, beside calling its `return`. */
  readonly abort: () => void
  /** A stream runs, and can be ended early, as one whole answer. Returns what is called when it has ended. */
  readonly onStream: (end: () => void) => () => void
  /** A stream's source failed after the answer had begun: logged, the connection is cut so that the caller sees it. */
  readonly onStreamError: (error: unknown) => void
}

/** The edge does the framing: what an adapter says of it is left out (RFC 9110 §7.6.1). */
const FRAMING = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Bytes up to here are written as a string of them (latin1: a character is a byte), because node:http puts the head and a
 * string into one buffer, but the head and bytes into two, which costs a tenth of a small answer.
 */
const ONE_PIECE_BYTES = 16 * 1024

/**
 * Answers. Undefined, or resolves, when everything is handed to the socket or the peer is gone. Throws before the first
 * byte if status or headers cannot be written.
 */
export function respond(
  outgoing: Outgoing,
  response: HttpResponse,
  options: RespondOptions,
): Promise<void> | undefined {
  const { body = '' } = response
  const isWhole = typeof body === 'string' || body instanceof Uint8Array
  if (outgoing.destroyed) {
    if (!isWhole) release(body[Symbol.asyncIterator](), options)
    return undefined
  }
  const fields = headerFields(response, options.close)
  if (!isWhole)
    return writeStream(outgoing, response.status, fields, body, options).then(() =>
      watchStall(outgoing, options),
    )
  writeHead(outgoing, response.status, fields, body)
  atTurnEnd(() => {
    if (outgoing.destroyed) return
    writeBody(outgoing, response.status, body)
    watchStall(outgoing, options)
  })
  return undefined
}

let writes: (() => void)[] = []

/** What one turn of the event loop answers goes out together: a reader is woken once for all of it, which a sixth of a request went into. */
function atTurnEnd(write: () => void): void {
  if (writes.push(write) === 1) setImmediate(writeAll)
}

function writeAll(): void {
  const all = writes
  writes = []
  for (const write of all) write()
}

/** node:http then destroys the socket, and clears it when all is written. */
function watchStall({ socket }: Outgoing, { stallMs }: RespondOptions): void {
  if (socket !== null && socket.writableLength > 0) socket.setTimeout(stallMs)
}

/** Writes all of a text answer but its end, after which node:http may close; `outgoing.end()` is left to the caller. */
export function respondUnended(outgoing: Outgoing, response: TextResponse, close: boolean): void {
  const { body } = response
  const fields = headerFields(response, close)
  fields.push('content-length', String(Buffer.byteLength(body)))
  outgoing.writeHead(response.status, fields)
  if (outgoing.req.method === 'HEAD' || body === '') outgoing.flushHeaders()
  else outgoing.write(body)
}

function headerFields(response: HttpResponse, close: boolean): string[] {
  const fields: string[] = []
  const { headers } = response
  if (headers !== undefined)
    for (const name of Object.keys(headers)) {
      const value = headers[name]
      if (value !== undefined && !FRAMING.has(name.toLowerCase())) fields.push(name, value)
    }
  if (close) fields.push('connection', 'close')
  return fields
}

/** Not written yet: node:http sends it with the body. */
function writeHead(outgoing: Outgoing, status: number, fields: string[], body: string | Uint8Array): void {
  if (!isBodiless(status)) fields.push('content-length', String(byteLength(body)))
  outgoing.writeHead(status, fields)
}

/** RFC 9110 §8.6: no Content-Length in 204 and 304. */
function isBodiless(status: number): boolean {
  return status === 204 || status === 304
}

function writeBody(outgoing: Outgoing, status: number, body: string | Uint8Array): void {
  if (isBodiless(status) || outgoing.req.method === 'HEAD') outgoing.end()
  else if (typeof body === 'string' || body.byteLength > ONE_PIECE_BYTES) outgoing.end(body)
  else outgoing.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1')
}

function byteLength(body: string | Uint8Array): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
}

async function writeStream(
  outgoing: Outgoing,
  status: number,
  fields: string[],
  body: AsyncIterable<string | Uint8Array>,
  options: RespondOptions,
): Promise<void> {
  const iterator = body[Symbol.asyncIterator]()
  try {
    outgoing.writeHead(status, fields)
  } catch (error) {
    release(iterator, options)
    throw error
  }
  if (outgoing.req.method === 'HEAD') {
    release(iterator, options)
    outgoing.end()
    return
  }
  outgoing.flushHeaders()
  await new Promise<void>((resolve) => {
    let over = false
    const settle = (action: () => void): void => {
      if (over) return
      over = true
      ended()
      outgoing.off('close', stop)
      action()
      resolve()
    }
    const finish = (): void => settle(() => outgoing.end())
    const stop = (): void =>
      settle(() => {
        release(iterator, options)
        outgoing.end()
      })
    const ended = options.onStream(stop)
    outgoing.on('close', stop)
    pump(outgoing, iterator, { stallMs: options.stallMs, over: () => over }).then(finish, (error: unknown) =>
      settle(() => {
        options.onStreamError(error)
        cutOff(outgoing)
      }),
    )
    if (outgoing.destroyed) stop()
  })
}

/** A generator that waits takes its `return` only after the wait: nobody stays for that. */
function release(iterator: AsyncIterator<unknown>, options: RespondOptions): void {
  options.abort()
  void Promise.resolve(iterator.return?.()).catch(options.onStreamError)
}

/** What was written goes out, the end does not: a truncated stream must not look like a whole one. */
function cutOff(outgoing: Outgoing): void {
  outgoing.uncork()
  outgoing.socket?.destroySoon()
}

async function pump(
  outgoing: Outgoing,
  iterator: AsyncIterator<string | Uint8Array>,
  state: { readonly stallMs: number; readonly over: () => boolean },
): Promise<void> {
  for (;;) {
    const step = await iterator.next()
    if (state.over() || step.done) return
    if (!outgoing.write(step.value)) await drained(outgoing, state.stallMs)
    if (state.over()) return
  }
}

function drained(outgoing: Outgoing, stallMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      outgoing.off('drain', done).off('close', done)
      resolve()
    }
    const timer = setTimeout(() => outgoing.destroy(), stallMs)
    outgoing.on('drain', done).on('close', done)
    if (outgoing.destroyed) done()
  })
}

// POST /v1/link: the client protocol where nothing but HTTP gets through; each request is complete in itself.
import { GatewayError } from 'dragoman'
import type { ChannelHost, DownFrame, HttpRequest, HttpResponse } from 'dragoman'

import { requireJson } from './body.ts'
import { preferenceApplied, preferredWaitMs } from './fields.ts'
import { decodeUtf8, isObject } from '../data/json.ts'

export interface LinkRequestOptions {
  readonly host: ChannelHost
  readonly maxWaitMs: number
  /** The caller is gone. */
  readonly signal: AbortSignal
  /** The channel closes. */
  readonly closing: AbortSignal
}

/** An answer holds no more than this of the inbox; the next request gets the rest. */
const ANSWER_BYTES = 1024 * 1024

/**
 * Takes the frames and answers with those that they and the inbox give. With `Prefer: wait=N` an answer that would say nothing
 * new waits for something. Throws `DECODE_FAILED` (no hello first), `AUTH_FAILED` (no customer), `STORE_UNAVAILABLE`.
 */
export async function postLink(request: HttpRequest, options: LinkRequestOptions): Promise<HttpResponse> {
  const { host, maxWaitMs, signal, closing } = options
  requireJson(request.headers['content-type'])
  checkEnvelope(request.body)
  const waitMs = preferredWaitMs(request.headers['prefer'], maxWaitMs)
  const answer = new AnswerFrames()
  const link = host.link(request.identity, (frame) => answer.take(frame), { transient: true })
  try {
    await link.receive(request.body)
    await Promise.race([link.caughtUp(), answer.full])
    if (waitMs !== undefined && !answer.hasNews) {
      await answer.news(waitMs, [signal, closing])
      await Promise.race([link.caughtUp(), answer.full])
    }
  } finally {
    link.close()
    answer.end()
  }
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(waitMs !== undefined && preferenceApplied(waitMs)),
    },
    body: `{"frames":[${answer.texts.join(',')}]}`,
  }
}

/** Only the envelope: what is wrong with a single frame is told in a `nak`, so that the queue behind it moves on. */
function checkEnvelope(body: Uint8Array): void {
  let value: unknown
  try {
    value = JSON.parse(decodeUtf8(body))
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', 'the body is not JSON: send {"frames":[…]}', { cause: error })
  }
  const frames = isObject(value) ? value['frames'] : undefined
  const first: unknown = Array.isArray(frames) ? frames[0] : undefined
  if (!isObject(first) || first['t'] !== 'hello')
    throw new GatewayError(
      'DECODE_FAILED',
      'send {"frames":[…]} with a hello first: each request is complete in itself',
    )
}

class AnswerFrames {
  readonly texts: string[] = []
  /** Resolves when no more of the inbox fits. */
  readonly full: Promise<void>
  readonly #ended = Promise.withResolvers<boolean>()
  #fill: () => void = () => undefined
  #bytes = 0
  #hasNews = false
  #tell: (() => void) | undefined

  constructor() {
    this.full = new Promise((resolve) => {
      this.#fill = resolve
    })
  }

  /** Something else than that the link is there. */
  get hasNews(): boolean {
    return this.#hasNews
  }

  /** A promise for what the reader must wait with: that is until the next request. */
  take(frame: DownFrame): Promise<boolean> | undefined {
    const text = JSON.stringify(frame)
    this.texts.push(text)
    this.#bytes += text.length
    if (frame.t !== 'welcome' && frame.t !== 'pong') {
      this.#hasNews = true
      this.#tell?.()
    }
    if (frame.t !== 'msg' || this.#bytes < ANSWER_BYTES) return undefined
    this.#fill()
    return this.#ended.promise
  }

  /** Resolves at the first news, when time is over, or with the first of the signals. */
  async news(ms: number, signals: readonly AbortSignal[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const done = (): void => resolve()
    this.#tell = done
    const timer = setTimeout(done, ms)
    for (const signal of signals) {
      if (signal.aborted) done()
      else signal.addEventListener('abort', done, { once: true })
    }
    await promise
    clearTimeout(timer)
    for (const signal of signals) signal.removeEventListener('abort', done)
  }

  end(): void {
    this.#ended.resolve(false)
  }
}

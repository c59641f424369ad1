// The link where nothing but HTTP gets through: POST /v1/link; one request waits for news while others bring what is sent.
import type { UpFrame } from '../../api.ts'
import { frameBytes } from './frame-bytes.ts'
import { framesIn } from './frames-in.ts'
import { pause } from './pause.ts'
import { isProblem } from './problem.ts'
import type { OpenTransport } from './types.ts'

/** A request that hangs is noticed this much, and the patience of the link, after it began. */
const WAIT_S = 15
/** A proxy that lets no request wait for longer than this is not waited with: its cuts cannot be told from those of a dead link. */
const LEAST_WAIT_S = 3
/** A cut may have been of its moment alone (a restart): the full wait is asked for again after this time. */
const CUT_KEPT_MS = 300_000
/** An answer without news that came sooner was not waited for. Then the next is asked for after a pause, twice as long each time. */
const QUICK_MS = 1000
const PAUSE_MS = 1000
const PAUSE_MOST_MS = 8000
/** Of frames in one request: with hello below the 256 kB that a gateway takes at least (core/link/README.md, Limits). */
const REQUEST_BYTES = 192 * 1024
/** RFC 9110 §15.5.14 */
const CONTENT_TOO_LARGE = 413

interface Waiting {
  readonly frame: UpFrame
  readonly bytes: number
}

export const openHttp: OpenTransport = (options) => {
  const { address, token, hello, onFrames, onGone, patienceMs } = options
  const ending = new AbortController()
  const waiting: Waiting[] = []
  let isSending = false
  let pauseMs = PAUSE_MS
  let sending = new AbortController()
  let mostBytes = REQUEST_BYTES

  function end(gone: Parameters<typeof onGone>[0]): void {
    if (ending.signal.aborted) return
    ending.abort()
    onGone(gone)
  }

  /** Each request is complete in itself: hello first. True: it brought more than that the link is there. */
  async function exchange(frames: readonly UpFrame[], waitS = 0): Promise<boolean> {
    const response = await fetch(address, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(waitS > 0 && { prefer: `wait=${waitS}` }),
      },
      body: JSON.stringify({ frames: [hello(), ...frames] }),
      signal: AbortSignal.any([ending.signal, AbortSignal.timeout(waitS * 1000 + patienceMs())]),
      cache: 'no-store',
    })
    const text = await response.text()
    if (ending.signal.aborted) return false
    if (!response.ok) throw new Refused(response)
    const answered = framesIn(text)
    if (answered === undefined) throw new Error(`what came was no frame (${sourceOf(response)})`)
    await onFrames(answered)
    return answered.some(({ t }) => t !== 'welcome')
  }

  function acknowledgement(): readonly UpFrame[] {
    const { epoch, offset, first } = hello()
    return epoch === '' ? [] : [{ t: 'ack', epoch, offset, first }]
  }

  async function poll(): Promise<void> {
    await exchange([])
    let waitS = WAIT_S
    let cutAt = 0
    while (!ending.signal.aborted) {
      const began = performance.now()
      try {
        const hasNews = await exchange(acknowledgement(), waitS)
        if (ending.signal.aborted) return
        const now = performance.now()
        if (now - cutAt >= CUT_KEPT_MS) waitS = WAIT_S
        if (hasNews || now - began >= QUICK_MS) pauseMs = PAUSE_MS
        else await rest()
      } catch (error) {
        const now = performance.now()
        const tookMs = now - began
        const isTooLong = tookMs > LEAST_WAIT_S * 1000 && tookMs < waitS * 1000
        if (!isTooLong || !isCut(error)) throw error
        waitS = Math.max(LEAST_WAIT_S, Math.floor(tookMs / 2000))
        cutAt = now
      }
    }
  }

  /** Cut short by what is sent: it may be answered soon. */
  async function rest(): Promise<void> {
    const ms = pauseMs
    pauseMs = Math.min(PAUSE_MOST_MS, pauseMs * 2)
    await pause(ms, AbortSignal.any([ending.signal, sending.signal]))
  }

  async function sendAll(): Promise<void> {
    isSending = true
    while (waiting.length > 0 && !ending.signal.aborted) {
      const next = waiting.slice(0, fitting(waiting, mostBytes))
      try {
        await exchange(next.map(({ frame }) => frame))
        waiting.splice(0, next.length)
      } catch (error) {
        if (next.length === 1 || !isTooLarge(error)) throw error
        mostBytes = bytesIn(next) / 2
      }
    }
    isSending = false
  }

  function failed(error: unknown): void {
    if (error instanceof Refused)
      end({
        reason: error.message,
        isRefused: error.status === 401 || (error.status === 403 && error.isProblem),
      })
    else end({ reason: error instanceof Error ? error.message : String(error) })
  }

  poll().catch(failed)
  return {
    send(frames) {
      waiting.push(...frames.map((frame) => ({ frame, bytes: frameBytes(frame) })))
      pauseMs = PAUSE_MS
      sending.abort()
      sending = new AbortController()
      if (!isSending) sendAll().catch(failed)
    },
    close: () => ending.abort(),
  }
}

/** How many go into one request; at least one. */
function fitting(waiting: readonly Waiting[], mostBytes: number): number {
  let sum = 0
  const tooMany = waiting.findIndex(({ bytes }) => (sum += bytes) > mostBytes)
  return tooMany < 0 ? waiting.length : Math.max(1, tooMany)
}

function bytesIn(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Nothing of it was taken: a proxy takes less than the gateway, or the gateway is of a version that did. */
function isTooLarge(error: unknown): boolean {
  return error instanceof Refused && error.status === CONTENT_TOO_LARGE
}

/** By a proxy that lets requests last less, whatever it calls that (RFC 9110 §15.6.5: 504); or the connection broke. */
function isCut(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Refused && error.status >= 500)
}

/** What was answered and by whom, as a network's login page may stand between. */
function sourceOf({ headers, redirected, url }: Response): string {
  const [type = ''] = (headers.get('content-type') ?? 'of no type').split(';')
  if (!redirected) return type
  const { origin, pathname } = new URL(url)
  return `${type}, from ${origin}${pathname}`
}

class Refused extends Error {
  readonly status: number
  readonly isProblem: boolean
  constructor(response: Response) {
    const { status, redirected } = response
    super(`answered with ${status}${redirected ? ` (${sourceOf(response)})` : ''}`)
    this.status = status
    this.isProblem = isProblem(response)
  }
}

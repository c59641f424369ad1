// The link where nothing but HTTP gets through: POST /v1/link; one request waits for news while others bring what is sent.
import type { UpFrame } from '../../api.ts'
import { frameBytes } from './frame-bytes.ts'
import { framesIn } from './frames-in.ts'
import type { OpenTransport } from './types.ts'

/** A request that hangs is noticed this much, and the patience of the link, after it began. */
const WAIT_S = 15
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
  let mostBytes = REQUEST_BYTES

  function end(gone: Parameters<typeof onGone>[0]): void {
    if (ending.signal.aborted) return
    ending.abort()
    onGone(gone)
  }

  /** Each request is complete in itself: hello first. */
  async function exchange(frames: readonly UpFrame[], waitS = 0): Promise<void> {
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
    if (ending.signal.aborted) return
    const answered = response.ok ? framesIn(text) : undefined
    if (answered === undefined) throw new Refused(response.status)
    await onFrames(answered)
  }

  function acknowledgement(): readonly UpFrame[] {
    const { epoch, offset, first } = hello()
    return epoch === '' ? [] : [{ t: 'ack', epoch, offset, first }]
  }

  async function poll(): Promise<void> {
    await exchange([])
    while (!ending.signal.aborted) await exchange(acknowledgement(), WAIT_S)
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
        reason: `answered with ${error.status}`,
        isRefused: error.status === 401 || error.status === 403,
      })
    else end({ reason: error instanceof Error ? error.message : String(error) })
  }

  poll().catch(failed)
  return {
    send(frames) {
      waiting.push(...frames.map((frame) => ({ frame, bytes: frameBytes(frame) })))
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

class Refused extends Error {
  readonly status: number
  constructor(status: number) {
    super(`answered with ${status}`)
    this.status = status
  }
}

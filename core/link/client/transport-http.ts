// The link where nothing but HTTP gets through: POST /v1/link; one request waits for news while others bring what is sent.
import type { UpFrame } from '../../api.ts'
import { framesIn } from './frames-in.ts'
import type { OpenTransport } from './types.ts'

/** A request that hangs is noticed this much, and the patience of the link, after it began. */
const WAIT_S = 15
/** Characters of frames in one request: well below what a gateway takes. */
const REQUEST_LENGTH = 400_000

export const openHttp: OpenTransport = (options) => {
  const { address, token, hello, onFrames, onGone, patienceMs } = options
  const ending = new AbortController()
  const waiting: UpFrame[] = []
  let isSending = false

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
      const frames = waiting.splice(0, fitting(waiting))
      await exchange(frames)
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
      waiting.push(...frames)
      if (!isSending) sendAll().catch(failed)
    },
    close: () => ending.abort(),
  }
}

/** How many go into one request; at least one. */
function fitting(frames: readonly UpFrame[]): number {
  let length = 0
  const tooMany = frames.findIndex((frame) => (length += JSON.stringify(frame).length) > REQUEST_LENGTH)
  return tooMany < 0 ? frames.length : Math.max(1, tooMany)
}

class Refused extends Error {
  readonly status: number
  constructor(status: number) {
    super(`answered with ${status}`)
    this.status = status
  }
}

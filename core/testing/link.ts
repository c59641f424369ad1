// A link without a store: what a channel is given in a test, and what the core would see of it.
import type { GatewayError, Identity, Json, Link, LinkOptions, LinkSend } from '../api.ts'

export interface TestLink {
  readonly who: Identity
  readonly options: LinkOptions
  /** What the channel has handed in, in order, as it came. */
  readonly received: readonly (string | Uint8Array | Json)[]
  /** Hands a frame to the channel's transport, as the core would. */
  readonly send: LinkSend
  readonly isClosed: boolean
}

/** `answer` is asked for each arrival; what it returns, `receive` rejects with. */
export function testLink(
  from: Pick<TestLink, 'who' | 'options' | 'send'>,
  answer: () => GatewayError | undefined,
): { readonly link: Link; readonly seen: TestLink } {
  const received: (string | Uint8Array | Json)[] = []
  let isClosed = false
  return {
    link: {
      async receive(frames) {
        received.push(frames)
        const error = answer()
        if (error !== undefined) throw error
      },
      caughtUp: async () => undefined,
      close() {
        isClosed = true
      },
    },
    seen: {
      ...from,
      received,
      get isClosed() {
        return isClosed
      },
    },
  }
}

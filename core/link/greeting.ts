// Where a device's inbox stands: asked by hello, and in the middle of a link when the cursor turns out to be of no use (SEMANTICS 12).
import { GatewayError } from '../api.ts'
import { digest } from '../ids.ts'
import type { HelloResult, Store } from '../store/store.ts'
import type { Outbox } from './uplink.ts'

export type Welcomed = Extract<HelloResult, { status: 'welcome' }>

export interface Cursor {
  readonly first: number
  readonly epoch: string
  readonly offset: number
}

export interface ResetAt {
  readonly epoch: string
  readonly top: number
  readonly oldest: number
  readonly why: string
}

/** Of a hello that finds another epoch each time, so many are tried. */
const HELLOS = 3
/** 128 bits and more. */
const INBOX_CHARS = 22

/**
 * Says hello; where the cursor cannot be used, `onReset` hears it and the hello goes on from the top. Resolves with the welcome
 * and whether the inbox goes on where the app was. Throws `STORE_UNAVAILABLE`.
 */
export async function greet(
  store: Pick<Store, 'hello'>,
  { home, device, boot }: Outbox,
  to: {
    readonly cursor: Cursor
    readonly onReset: (at: ResetAt) => void
  },
): Promise<{ readonly welcomed: Welcomed; readonly isRecovered: boolean }> {
  let { cursor } = to
  for (let hellos = 0; hellos < HELLOS; hellos++) {
    const result = await store.hello({ home, device, boot, ...cursor })
    if (result.status === 'welcome')
      return { welcomed: result, isRecovered: result.recovered && hellos === 0 }
    const { epoch, top, oldest, why } = result
    to.onReset({ epoch, top, oldest, why })
    cursor = { first: cursor.first, epoch, offset: top }
  }
  throw new GatewayError('STORE_UNAVAILABLE', 'the inbox changes its epoch with every look')
}

/** The current epoch, top and oldest. A hello without an epoch only tells; `first: 1` is one the store has passed already. */
export async function standing(
  store: Pick<Store, 'hello'>,
  { home, device, boot }: Outbox,
): Promise<Pick<Welcomed, 'epoch' | 'top' | 'oldest'>> {
  return store.hello({ home, device, boot, first: 1, epoch: '', offset: 0 })
}

/** The same for all devices of a customer, another one for anybody else. */
export function inboxName(home: string): string {
  return digest(home).slice(0, INBOX_CHARS)
}

/** A transport is told of one failure only. */
export function unreachable(error: unknown): GatewayError {
  const known = GatewayError.from(error)
  if (known.code === 'STORE_UNAVAILABLE') return known
  return new GatewayError('STORE_UNAVAILABLE', 'the store could not be asked', { cause: error })
}

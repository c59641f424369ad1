// What becomes of a `send`: stored under its number, a gap, or a refusal that is remembered (DESIGN §12, SEMANTICS 13, 14, 41).
import { GatewayError, errorTable } from '../api.ts'
import type { Draft, Identity, Log, RefusedFrame, SendFrame } from '../api.ts'
import type { Admission } from '../guard/admission.ts'
import { digest, newId } from '../ids.ts'
import { callingOf, normalise } from '../normalise.ts'
import type { Normalised } from '../normalise.ts'
import type { Origin, Pipeline, PipelineOptions } from '../pipeline.ts'
import type { Store } from '../store/store.ts'
import type { Telemetry } from '../telemetry.ts'
import { AGE_MARGIN_MS, BOOT_KEPT_MS, REFUSALS_KEPT } from './figures.ts'

export interface UplinkOptions {
  readonly pipeline: Pick<Pipeline, 'append'>
  /** Who may begin. */
  readonly admission: Admission
  /** How often somebody may call. Throws `RATE_LIMITED`. */
  readonly limited: PipelineOptions['limited']
  readonly store: Store
  readonly log: Log
  readonly telemetry: Pick<Telemetry, 'intake'>
  /** How long ids are remembered. */
  readonly dedupeMs: number
  readonly now: () => number
  /** Whether a channel of this name runs. */
  readonly isChannel: (name: string) => boolean
}

/** The channel that a link belongs to, and the priority of what comes in by it. */
export type LinkChannel = Pick<Origin, 'id' | 'adapter' | 'priority'>

/** Whose outbox it is. */
export interface Outbox {
  readonly channel: LinkChannel
  readonly identity: Identity
  readonly home: string
  readonly device: string
  readonly boot: string
}

export type Taken =
  | {
      readonly status: 'stored'
      readonly messageId: string
      readonly sequence: number
      readonly duplicate: boolean
      /** All up to its number; absent: none. */
      readonly refused?: readonly RefusedFrame[]
    }
  | { readonly status: 'gap'; readonly next: number }
  /** Remembered as the result of its number, unless that was used up before. */
  | { readonly status: 'refused'; readonly code: string; readonly message: string }
  /** The number is not used up. */
  | { readonly status: 'later'; readonly error: GatewayError }

export interface Uplink {
  /** Never rejects. */
  take(outbox: Outbox, frame: SendFrame): Promise<Taken>
  /** Uses the number up and stores why, `later` where too many wait to be heard. Never rejects. */
  refuse(
    outbox: Outbox,
    frame: { readonly n: number; readonly id: string },
    why: { readonly code: string; readonly message: string },
  ): Promise<Taken>
  /** A boot that has sent nothing yet said hello: from when it is known is kept, for TOO_OLD. */
  greet(outbox: Outbox): Promise<void>
}

export function createUplink(options: UplinkOptions): Uplink {
  const { pipeline, admission, limited, store, log, telemetry, dedupeMs, now, isChannel } = options

  async function offer(outbox: Outbox, frame: SendFrame): Promise<Taken> {
    const { channel, identity, device, boot } = outbox
    const { n, id } = frame
    // A link tells everyone to come again, also where the channel could push.
    const origin: Origin = { ...channel, pushes: false }
    await admission.enter({ priority: origin.priority ?? 'normal', sheds: true })
    const normalised = normalise(draftOf(frame, identity), {
      channel: origin,
      identity,
      now: now(),
      dedupeMs,
      isChannel,
      priority: origin.priority,
    })
    await limited(callingOf(normalised, origin, identity))
    if (await isTooOld(outbox, frame, normalised)) return refuse(outbox, frame, TOO_OLD)
    const result = await pipeline.append(origin, normalised, {
      device: { device, boot, n },
    })
    switch (result.status) {
      case 'accepted':
        return {
          status: 'stored',
          messageId: normalised.message.id,
          sequence: result.sequence,
          duplicate: false,
          ...(result.refused !== undefined && { refused: result.refused }),
        }
      case 'duplicate':
        // Nothing has the sequence 0: the number was refused, under this id, one that could not be read, or another (SEMANTICS 14).
        if (result.sequence === 0)
          return result.id === id || result.id === '' ? refusedBefore(n, result.failure?.code) : usedUp(frame)
        return {
          status: 'stored',
          messageId: result.id,
          sequence: result.sequence,
          duplicate: true,
          ...(result.refused !== undefined && { refused: result.refused }),
        }
      case 'used':
        return usedUp(frame)
      case 'gap':
        return result
      case 'mismatch':
        throw new GatewayError('IDEMPOTENCY_MISMATCH', `the id "${id}" was used before for something else`)
      case 'forbidden':
        throw new GatewayError('FORBIDDEN', 'the conversation belongs to another customer')
      case 'full':
        throw new GatewayError('OVERLOADED', `${result.waiting} messages wait in the conversation already`, {
          retryAfterMs: 5000,
          status: 429,
        })
      case 'notOwner':
      case 'released':
        throw new GatewayError(
          'INTERNAL',
          `the store answered "${result.status}" to an accept that cannot get it`,
        )
    }
  }

  /** SEMANTICS 41: never taken as new what a boot brings that was made before this gateway knew it, and before what it remembers. */
  async function isTooOld(outbox: Outbox, { id }: SendFrame, { dedupe }: Normalised): Promise<boolean> {
    const made = madeAt(id)
    if (made === undefined || isRemembered(made) || dedupe === undefined) return false
    const { value } = await store.value({ key: bootKey(outbox) })
    // Known for longer than boots are kept: its numbers alone say what is new.
    if (typeof value !== 'number' || made >= value) return false
    return (await store.find({ by: 'key', key: dedupe.key })).length === 0
  }

  function isRemembered(made: number): boolean {
    // A memory that is hardly longer than the margin would have no time left in which anything is new.
    return made >= now() - dedupeMs + Math.min(AGE_MARGIN_MS, dedupeMs / 2)
  }

  /**
   * A number is kept for longer than its id: a frame whose id may have been forgotten is neither said to be another one, nor called stored,
   * as the number may have been used lately for another (SEMANTICS 14).
   */
  function usedUp({ n, id }: SendFrame): Taken {
    const made = madeAt(id)
    if (made !== undefined && !isRemembered(made)) return { status: 'refused', ...TOO_OLD }
    const message = `number ${n} of this boot was used, and not for "${id}" as far as is remembered: look into the log, then begin a new boot`
    return { status: 'refused', code: 'IDEMPOTENCY_MISMATCH', message }
  }

  /** INTERNAL tells its app that the log has the details. */
  function later({ n, id }: { readonly n: number; readonly id: string }, error: GatewayError): Taken {
    if (error.code === 'INTERNAL') log.error('what came over a link was not taken in', { id, n, error })
    return { status: 'later', error }
  }

  async function refuse(
    { channel, identity, home, device, boot }: Outbox,
    { n, id }: { readonly n: number; readonly id: string },
    { code, message: why }: { readonly code: string; readonly message: string },
  ): Promise<Taken> {
    try {
      const sender = { id: identity.id, role: 'customer' as const }
      const draft: Draft = { kind: 'message', type: 'refused', sender, data: null }
      const { message } = normalise(draft, { channel, identity, now: now(), dedupeMs, isChannel })
      const { conversation } = message
      const result = await store.accept({
        home,
        conversation,
        // As the app knows it, also where it is none that a message could have.
        message: { ...message, externalId: id, id: newId() },
        device: { device, boot, n, refuse: { code, limit: REFUSALS_KEPT } },
        inbox: false,
      })
      const own: Taken = { status: 'refused', code, message: why }
      // Of a number that was used for another frame nothing is changed; this one is refused all the same.
      if (result.status === 'accepted' || result.status === 'used') return own
      if (result.status === 'gap') return result
      if (result.status === 'duplicate' && result.sequence === 0)
        return result.id === id ? { ...own, code: result.failure?.code ?? code } : own
      if (result.status === 'full')
        throw new GatewayError(
          'OVERLOADED',
          `${result.waiting} refusals wait to be heard: say hello, or ack, with a higher first`,
        )
      throw new GatewayError('INTERNAL', `the store answered "${result.status}" to a refusal`)
    } catch (error) {
      return later({ n, id }, GatewayError.from(error))
    }
  }

  return {
    refuse,
    async take(outbox, frame) {
      telemetry.intake('offered', outbox.channel.id)
      try {
        const taken = await offer(outbox, frame)
        const stored = taken.status === 'stored'
        telemetry.intake(
          stored
            ? taken.duplicate
              ? 'duplicate'
              : 'accepted'
            : taken.status === 'later'
              ? 'failed'
              : 'refused',
          outbox.channel.id,
        )
        return taken
      } catch (thrown) {
        const error = GatewayError.from(thrown)
        const isOurs = error.side !== 'caller' && error.code !== 'OVERLOADED'
        telemetry.intake(isOurs ? 'failed' : 'refused', outbox.channel.id)
        if (errorTable[error.code].retry || error.code === 'INTERNAL') return later(frame, error)
        return refuse(outbox, frame, error)
      }
    },
    async greet(outbox) {
      await store.value({ key: bootKey(outbox), expect: 'absent', put: now(), ttlMs: BOOT_KEPT_MS })
    },
  }
}

const TOO_OLD = {
  code: 'TOO_OLD',
  message:
    'the id is older than what this gateway remembers, so it may be stored: look at next and into the log, then send it under a new id',
} as const

function refusedBefore(n: number, code = 'DECODE_FAILED'): Taken {
  return { status: 'refused', code, message: `number ${n} of this boot was refused before` }
}

function draftOf({ id, message }: SendFrame, identity: Identity): Draft {
  const { text, parts, kind = 'message', type, ...rest } = message
  const said = parts ?? (text === undefined ? undefined : [{ kind: 'text' as const, text }])
  return {
    ...rest,
    kind,
    type: type ?? said?.[0]?.kind ?? 'text',
    externalId: id,
    sender: { id: identity.id, role: 'customer' },
    ...(said !== undefined && { parts: said }),
  }
}

function bootKey({ home, device, boot }: Outbox): string {
  return `link/boot/${digest([home, device, boot].join('\u001F'))}`
}

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/iu

/** RFC 9562 §5.7; undefined: the id does not say. */
function madeAt(id: string): number | undefined {
  const match = UUID_V7.exec(id)
  return match === null ? undefined : Number.parseInt(`${match[1]}${match[2]}`, 16)
}

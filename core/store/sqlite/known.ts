// What an accept is told while nothing can be written: the end that is stored under its key.
import type { AcceptAnswer } from '../codec/answers.ts'
import type { Request } from '../codec/wire.ts'
import { Claims } from './claims.ts'
import type { Ground } from './ground.ts'
import { Rights } from './rights.ts'

export type Known = (request: Request) => AcceptAnswer | undefined

/**
 * Only reads. Undefined where it takes a write to answer: what is new or has no end yet, what came by a device, whose number moves on,
 * and a key that is used for something else, which is refused when the store can be written.
 */
export function knownOn(ground: Ground): Known {
  const claims = new Claims(ground)
  const rights = new Rights(ground)
  return (request) => {
    if (request[0] !== 'accept') return undefined
    const [, , , id, , , , , , key, fingerprint] = request
    if (key === null || request[19]?.device !== undefined) return undefined
    const claim = claims.found(key)
    if (claim === undefined || claim.fingerprint !== fingerprint || claim.message === id) return undefined
    const { state, reply, failure } = claims.standing(claim.id, claim.isCall)
    if (state !== 'answered' && state !== 'failed') return undefined
    return {
      status: 'duplicate',
      id: claim.message,
      conversation: claim.conversation ?? '',
      sequence: claim.sequence,
      state,
      reply,
      failure,
      pushed: rights.isGone(claim.id),
    }
  }
}

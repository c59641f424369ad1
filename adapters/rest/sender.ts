// Who speaks: what the credential says, what the body may add, and what is assumed.
import { GatewayError } from 'dragoman'
import type { Identity, Party } from 'dragoman'

/** A sender as a body gives it; the role may be left to us, the id to a credential. */
export interface NamedSender {
  readonly id?: string | undefined
  readonly role?: Party['role'] | undefined
  readonly name?: string | undefined
  readonly tier?: string | undefined
  readonly attributes?: Party['attributes'] | undefined
}

/**
 * The sender of a message. A customer or an agent is who his credential says (the core sees to the id), so of a body's sender
 * only the name counts, and role, tier and attributes, which decide about routing, are refused. Throws `DECODE_FAILED` where a
 * program names nobody, `FORBIDDEN` where somebody claims what only a program may say.
 */
export function senderOf(named: NamedSender | undefined, identity: Identity): Party {
  if (identity.role === 'program') {
    const { id } = named ?? {}
    if (id === undefined)
      throw new GatewayError(
        'DECODE_FAILED',
        `${named === undefined ? 'sender' : 'sender.id'} is missing: say who speaks, {"sender":{"id":"…"}}`,
      )
    return party({ ...named, id }, named?.role ?? 'customer')
  }
  const { role, tier, attributes } = named ?? {}
  if ((role !== undefined && role !== identity.role) || tier !== undefined || attributes !== undefined)
    throw new GatewayError(
      'FORBIDDEN',
      `the sender's role, tier and attributes are not for a${identity.role === 'agent' ? 'n agent' : ' customer'} to say: leave them out`,
    )
  return party({ id: named?.id ?? identity.id, name: named?.name }, identity.role)
}

/** The sender where the body names none: the credential's, else the channel itself (DESIGN §16, Callers). */
export function callerOf(identity: Identity, channel: string): Party {
  if (identity.role === 'program') return { id: channel, role: 'system' }
  return { id: identity.id, role: identity.role }
}

function party({ id, name, tier, attributes }: NamedSender & Pick<Party, 'id'>, role: Party['role']): Party {
  return {
    id,
    role,
    ...(name !== undefined && { name }),
    ...(tier !== undefined && { tier }),
    ...(attributes !== undefined && { attributes }),
  }
}

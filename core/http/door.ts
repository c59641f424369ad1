// What a request passes before its body is read: whether there is time for it, and who calls.
import { GatewayError, type Identity, type Priority } from '../api.ts'
import type { Admission } from '../guard/admission.ts'
import { grant } from '../guard/granted.ts'
import type { Access, Caller, Identifier } from './access.ts'
import { CallerGone, Refusal } from './refusal.ts'

export interface Door {
  readonly access?: Access
  readonly channel: string
  /** Absent: always let in, for operators. */
  readonly admission?: {
    readonly priority: Priority
    /** False: a platform behind it cannot be told to come again; it waits its turn as long as it takes. */
    readonly sheds: boolean
  }
}

export interface Keeper {
  readonly identity: Identifier
  readonly admission: Admission | undefined
  readonly log: { error(message: string, fields?: Readonly<Record<string, unknown>>): void }
}

/**
 * Lets a request in when it is its turn. Its priority is the channel's; `Priority: u=N` (RFC 9218) may lower it, and raise it for a
 * program or an agent: whom the credential names is then looked at first. Throws `Refusal`, or `CallerGone`.
 */
export function letIn(keeper: Keeper, door: Door, visit: Visit): Identity | Promise<Identity> {
  const { admission } = keeper
  const { caller, signal } = visit
  if (admission === undefined || door.admission === undefined) return identify(keeper, door, caller)
  const asked = askedPriority(caller.headers['priority'])
  const { priority, sheds } = door.admission
  if (asked !== undefined) return letInAs(asked, { keeper, door, visit }, { admission, priority, sheds })
  const inTurn = turn(admission, { priority, sheds, signal })
  return inTurn === undefined
    ? identify(keeper, door, caller)
    : inTurn.then(() => identify(keeper, door, caller))
}

interface Visit {
  readonly caller: Caller
  readonly signal?: AbortSignal | undefined
}

async function letInAs(
  asked: Priority,
  { keeper, door, visit }: { readonly keeper: Keeper; readonly door: Door; readonly visit: Visit },
  { admission, priority: usual, sheds }: NonNullable<Door['admission']> & { readonly admission: Admission },
): Promise<Identity> {
  const { caller, signal } = visit
  if (RANK[asked] <= RANK[usual]) {
    grant(signal, asked)
    await turn(admission, { priority: asked, sheds, signal })
    return identify(keeper, door, caller)
  }
  const identity = await identify(keeper, door, caller)
  const priority = mayRaise(door, identity) ? asked : usual
  grant(signal, priority)
  await turn(admission, { priority, sheds, signal })
  return identity
}

/** Not customers, and not who comes without a name: through an open door, or where the handler has not looked for one yet. */
function mayRaise({ access, channel }: Door, { role, id }: Identity): boolean {
  const isOpen = access === 'handler' || (typeof access === 'object' && 'open' in access)
  return role !== 'customer' && !(isOpen && role === 'program' && id === channel)
}

const RANK: Readonly<Record<Priority, number>> = { low: 0, normal: 1, high: 2, urgent: 3 }
/** RFC 9218 §4.1: 0 is the highest urgency, 3 what is not said. */
const URGENCY: readonly Priority[] = ['urgent', 'urgent', 'high', 'normal', 'normal', 'low', 'low', 'low']

/** RFC 9218 §5: what cannot be read is ignored. */
function askedPriority(header: string | undefined): Priority | undefined {
  if (header === undefined) return undefined
  const urgency = /(?:^|,)\s*u=([0-7])\s*(?:$|[,;])/u.exec(header)?.[1]
  return urgency === undefined ? undefined : URGENCY[Number(urgency)]
}

function turn(admission: Admission, entry: Parameters<Admission['enter']>[0]): Promise<void> | undefined {
  const refuse = (thrown: unknown): never => {
    if (entry.signal?.aborted === true) throw new CallerGone()
    throw thrown instanceof GatewayError ? refusalOf(thrown) : thrown
  }
  try {
    return admission.enter(entry)?.catch(refuse)
  } catch (thrown) {
    return refuse(thrown)
  }
}

/** The errors are made once, and so are their refusals. */
const refusals = new WeakMap<GatewayError, Refusal>()
function refusalOf(error: GatewayError): Refusal {
  const known = refusals.get(error)
  if (known !== undefined) return known
  const fresh = new Refusal('admission', error)
  refusals.set(error, fresh)
  return fresh
}

function identify(
  { identity, log }: Keeper,
  { access, channel }: Door,
  caller: Caller,
): Identity | Promise<Identity> {
  const refuse = (thrown: unknown): never => {
    const error = GatewayError.from(thrown)
    if (error.side !== 'caller') log.error('a caller could not be identified', { channel, error: thrown })
    throw new Refusal('credential', error)
  }
  try {
    const known = identity.forHttp(caller, access, channel)
    return known instanceof Promise ? known.catch(refuse) : known
  } catch (thrown) {
    return refuse(thrown)
  }
}

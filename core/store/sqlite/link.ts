// Operations 6 and 7, hello and ack: a device's numbers, refusals and cursor (SEMANTICS 12, 13, 14, 38).
import type { Ack, AckResult, Hello, HelloResult } from '../store.ts'
import { Devices } from './devices.ts'
import type { Ground } from './ground.ts'
import { epochName } from './heads.ts'

export function helloOperation(ground: Ground): (request: Hello) => HelloResult {
  const { heads, counters } = ground
  const devices = new Devices(ground)

  return (request) => {
    const { home: name, first, epoch: asked, offset } = request
    const home = heads.homeOrNew(name)
    const epochBefore = epochName(counters.incarnation, home)
    const known = devices.get(home, request)
    // SEMANTICS 13: the app has used numbers up that this store knows nothing of. Take its word, lest both wait for ever.
    const jumped = Math.max(0, first - 1 - (known?.last ?? 0))
    const last = (known?.last ?? 0) + jumped
    // Of a boot it had known, the store has lost something: offsets given out since may be given out again.
    const hasLost = known !== undefined && jumped > 0
    if (hasLost) heads.raiseInboxEpoch(home)
    devices.passed(home, request, first)
    const epoch = epochName(counters.incarnation, home)
    const top = home.top
    // Without an epoch only 0 is a place in the inbox: its beginning.
    const isFresh = asked === '' && offset === 0
    const why = isFresh ? undefined : whyReset(asked === epochBefore, offset, top)
    const cursor =
      why === undefined && !hasLost
        ? Math.max(known?.cursor ?? 0, Math.min(offset, top))
        : (known?.cursor ?? 0)
    devices.put(home, request, { last, cursor })
    if (why !== undefined) return { status: 'reset', why, epoch, top, oldest: home.oldest }
    return {
      status: 'welcome',
      epoch,
      top,
      oldest: home.oldest,
      next: last + 1,
      refused: devices.refusals(home, request),
      recovered: !hasLost && offset + 1 >= home.oldest,
      jumped,
    }
  }
}

function whyReset(isEpoch: boolean, offset: number, top: number): string | undefined {
  if (!isEpoch) return 'the cursor is of another epoch'
  return offset > top ? `offset ${offset} is beyond the top ${top}` : undefined
}

export function ackOperation(ground: Ground): (request: Ack) => AckResult {
  const { heads, counters } = ground
  const devices = new Devices(ground)

  return (request) => {
    const home = heads.home(request.home)
    if (
      home === undefined ||
      request.epoch !== epochName(counters.incarnation, home) ||
      request.offset > home.top
    )
      return { status: 'ahead' }
    const known = devices.get(home, request)
    // No hello made it known: nothing is kept for it, or a later hello would take it for a boot that lost numbers.
    if (known === undefined) return { status: 'ok', cursor: request.offset }
    const cursor = Math.max(known.cursor, request.offset)
    devices.put(home, request, { last: known.last, cursor })
    if (request.first !== undefined) devices.passed(home, request, request.first)
    return { status: 'ok', cursor }
  }
}

// All operations on one ground, by name.
import { acceptOperation } from './accept.ts'
import { claimOperation } from './claim.ts'
import { findOperation } from './find.ts'
import type { Ground } from './ground.ts'
import { ackOperation, helloOperation } from './link.ts'
import { partitionLease } from '../figures.ts'
import type { Lease, LeaseResult } from '../store.ts'
import { readOperation } from './read.ts'
import { handOverOperation } from './rights.ts'
import { settleOperation } from './settle.ts'
import { takeOperation } from './take.ts'
import { trimOperation } from './trim.ts'
import { valueOperation } from './values.ts'
import type { Answer, Request } from '../codec/wire.ts'

export type Operations = (request: Request) => Answer

/** Prepares every statement; called again for each new ground. */
export function operationsOn(ground: Ground): Operations {
  const accept = acceptOperation(ground)
  const settle = settleOperation(ground)
  const claim = claimOperation(ground)
  const take = takeOperation(ground)
  const handOver = handOverOperation(ground)
  const hello = helloOperation(ground)
  const ack = ackOperation(ground)
  const read = readOperation(ground)
  const value = valueOperation(ground)
  const find = findOperation(ground)
  const trim = trimOperation(ground)
  const lease = leaseOperation(ground)

  return (request) => {
    switch (request[0]) {
      case 'accept':
        return accept(request)
      case 'settle':
        return settle(request)
      case 'claim':
        return claim(request[1])
      case 'take':
        return take(request[1])
      case 'handOver':
        return handOver(request[1])
      case 'hello':
        return hello(request[1])
      case 'ack':
        return ack(request[1])
      case 'read':
        return read(request[1])
      case 'lease':
        return lease(request[1])
      case 'value':
        return value(request[1])
      case 'find':
        return find(request[1])
      case 'trim':
        return trim(request[1])
    }
  }
}

/** Operation 10. A partition that changes hands leaves orphans behind: they are due at once. */
function leaseOperation({ leases, clock, counters, lanes }: Ground): (request: Lease) => LeaseResult {
  return (request) => {
    let isFresh = false
    const result = leases.lease(request, clock, () => {
      isFresh = true
      return counters.newCounter()
    })
    if (isFresh && request.name === partitionLease(0))
      for (const kind of [lanes.message, lanes.push, lanes.claim, lanes.timer])
        kind.orphan((counter) => leases.owns(counter, clock), clock.now)
    return result
  }
}

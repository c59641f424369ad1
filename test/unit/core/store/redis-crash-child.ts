// Runs a crash script on the store on Redis until it dies at the ordered point; prints each answer it got before.
import { writeSync } from 'node:fs'
import { partitionLease } from '../../../../core/store/figures.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { Store } from '../../../../core/store/store.ts'
import type { ScriptStep } from '../../../conformance/store.ts'
import { CHILD_LEASE_MS } from './redis-harness.ts'

interface Order {
  readonly url: string
  readonly point: string
  readonly script: readonly ScriptStep[]
  readonly wall: number
}

const order = JSON.parse(process.argv[2] ?? '') as Order // the harness wrote it
const store = await openRedisStore({
  url: order.url,
  hooks: { crash: order.point, clock: { wall: () => order.wall, monotonic: () => 0 } },
})
const held = await store.lease({ name: partitionLease(0), owner: 'one that dies', ttlMs: CHILD_LEASE_MS })
const fence = held.status === 'held' ? held.fence : undefined
for (const { operation, argument } of order.script) {
  const call = store[operation as 'accept'] as (argument: unknown) => Promise<unknown> // the script names an operation and its argument
  const filled: unknown = JSON.parse(JSON.stringify(argument), (_name, value: unknown) =>
    value === '$fence' ? fence : value,
  )
  const answer = await call.call(store satisfies Store, filled)
  writeSync(1, `${JSON.stringify(answer)}\n`)
}
writeSync(2, 'the script came to its end\n')
process.exit(0)

// Opens the store, takes the partition and holds both until it is killed.
import { openSqliteStore } from '../../../../core/store/sqlite.ts'

const store = await openSqliteStore({ directory: process.argv[2] ?? '', reserveBytes: 1024 })
const lease = await store.lease({ name: 'partition/0', owner: 'holder', ttlMs: 60_000 })
process.send?.({ counter: lease.status === 'held' ? lease.fence.counter : -1 })

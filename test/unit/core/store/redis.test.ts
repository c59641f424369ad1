// The store on Redis passes the shared suite, on a real server that syncs every write.
import { afterAll, beforeAll } from 'vitest'
import { testStore } from '../../../conformance/store.ts'
import { RedisServer } from '../../../support/redis-server.ts'
import { RedisHarness } from './redis-harness.ts'

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

testStore('redis', () => RedisHarness.make(server))

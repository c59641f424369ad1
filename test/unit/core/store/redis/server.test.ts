import type { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { readServer, together } from '../../../../../core/store/redis/server.ts'
import type { ServerFacts } from '../../../../../core/store/redis/server.ts'

/** What a server that we cannot install here says of itself. */
function server(version: string, bits: string): Promise<ServerFacts> {
  const text = `# Server\r\nredis_version:${version}\r\narch_bits:${bits}\r\n# Replication\r\nrole:master\r\n`
  return readServer({ info: async () => text } as unknown as Redis) // nothing else of it is asked
}

test.each([
  ['6.2.0', '64', undefined],
  ['7.0.15', '64', undefined],
  ['6.0.16', '64', expect.stringContaining('6.2 or later')],
  ['7.0.15', '32', expect.stringContaining('64 bits')],
])('Redis %s of %s bits: needed is %s', async (version, bits, needed) => {
  expect((await server(version, bits)).needed).toEqual(needed)
})

test('of several masters the one that will not do speaks for all', async () => {
  const all = await Promise.all([server('7.0.15', '64'), server('7.2.4', '32')])
  expect(together(all)).toMatchObject({
    version: 'Redis 7.2.4',
    needed: expect.stringContaining('64 bits') as string,
  })
})

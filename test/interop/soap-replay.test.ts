// The captured requests of real clients, byte for byte over the wire: the answers equal those of the reference server.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { fixtures, runProgram, skipped, why } from './clients.ts'
import { startBeforeRest, startBeforeSoap } from './gateways.ts'
import { startKitBusiness } from './rest-business.ts'
import { startPhp } from './soap-server.ts'

/** What differs, and why. */
const known = [
  // a nil its schema does not allow: the reference makes an empty person of it, we null, which is then left out
  'soaplite-lit/09-echoTicket: /echoTicketResponse/ticket: 6 children (want 7)',
]

test('captured requests are answered as the reference answers, before a JSON service', async () => {
  await using business = await startKitBusiness()
  await using gateway = await startBeforeRest(business.url)
  expect(await replay(gateway, ['--map', '/orders12=/orders'])).toEqual(known)
})

test.skipIf(skipped('php'))(
  `captured requests are answered as the reference answers, before a SOAP server${why('php')}`,
  async () => {
    await using server = await startPhp()
    await using gateway = await startBeforeSoap(server.url)
    expect(await replay(gateway, [])).toEqual(known)
  },
)

/** Sends every capture. Resolves with those that were answered in another way. */
async function replay(gateway: GatewayProcess, args: readonly string[]): Promise<readonly string[]> {
  const folder = await temporaryDirectory()
  try {
    const file = join(folder, 'replay.json')
    await runProgram(process.execPath, [join(fixtures, 'replay.mjs'), gateway.base, ...args, '--json', file])
    const results: unknown = JSON.parse(await readFile(file, 'utf8'))
    // replay.mjs writes { client: [{ f: capture, d: difference }] }
    const clients = Object.entries(results as Record<string, readonly { f: string; d: string | null }[]>)
    const all = clients.flatMap(([client, rows]) => rows.map(({ f, d }) => ({ name: `${client}/${f}`, d })))
    expect(all.length).toBe(175)
    return all.flatMap(({ name, d }) => (d === null ? [] : [`${name}: ${d}`]))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

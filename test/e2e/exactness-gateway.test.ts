// The named values through a gateway in its own process and real sockets, once for each pair of protocols.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { gatewayYaml, pathOf } from './exactness/config.ts'
import { Counterpart, serve } from './exactness/counterpart.ts'
import { namedDoc, plainStyle } from './exactness/model.ts'
import { protocols } from './exactness/protocols.ts'

const counterpart = new Counterpart()
let system: Awaited<ReturnType<typeof serve>> | undefined
let gateway: GatewayProcess | undefined

beforeAll(async () => {
  system = await serve(counterpart)
  gateway = await startGateway({ yaml: gatewayYaml(system.base, true) })
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await system?.[Symbol.asyncDispose]()
})

const pairs = protocols.flatMap((from) => protocols.map((to) => ({ from, to })))

test.each(pairs)('$from.name → $to.name: every named value arrives, and comes back', async ({ from, to }) => {
  const doc = namedDoc('Echo')
  for (const style of [plainStyle, { text: 'cdata', charset: 'gb18030', version: '1.2' } as const]) {
    Object.assign(counterpart, { kind: 'Echo', tell: doc, style, seen: undefined })
    const { headers, body } = from.ask('Echo', doc, style)
    const address = `${gateway?.base ?? ''}${pathOf(from.name, to.name)}${from.below('Echo')}`
    const response = await fetch(address, {
      method: 'POST',
      headers: { ...headers },
      body: Buffer.from(body),
    })
    const wire = {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: new Uint8Array(await response.arrayBuffer()),
    }
    expect(`${wire.status} ${new TextDecoder().decode(wire.body).slice(0, 600)}`).toMatch(/^200 /)
    expect(counterpart.seen).toStrictEqual(doc)
    expect(from.answered('Echo', wire)).toStrictEqual(doc)
  }
})

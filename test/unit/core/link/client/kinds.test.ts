// Names of links by an app that no compiler checks.
import { afterEach, expect, test } from 'vitest'
import { connect, memoryBox } from 'dragoman/client'
import type { Client, ConnectOptions, StateEvent } from 'dragoman/client'
import { until } from '../../../../support/gateway.ts'

const apps: Client[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

/** Nothing answers there. */
function open(links: unknown): StateEvent[] {
  const states: StateEvent[] = []
  const given = links as NonNullable<ConnectOptions['links']> // or not: that is what is tested
  const client = connect({ url: 'http://127.0.0.1:1', token: 'ann', box: memoryBox(), links: given })
  apps.push(client)
  client.onState((event) => states.push(event))
  return states
}

test.each([
  [['ws'], 'links[0] "ws" is none of websocket, mqtt, http'],
  [['http', 'constructor'], 'links[1] "constructor" is none of websocket, mqtt, http'],
  [['http', undefined], 'links[1] undefined is none of websocket, mqtt, http'],
  ['http', 'links is neither a list nor a function'],
])('links %o are refused at once, and what is wrong is named', (links, message) => {
  expect(() => open(links)).toThrow(new TypeError(message))
})

test.each([
  [() => ['ws'], 'ws: TypeError: link "ws" is none of websocket, mqtt, http'],
  [[], 'links names none'],
  [() => [], 'links names none'],
])(
  'of links that a function names, and where none is, it is told why there is no connection (%o)',
  async (links, reason) => {
    const states = open(links)
    await until(() => states.find((event) => event.what === 'link' && event.reason !== undefined))
    expect(states.findLast(({ what }) => what === 'link')).toEqual({
      what: 'link',
      status: 'connecting',
      reason,
    })
  },
)

// What an operation's settings can never do is said when its backend starts, not at its first call.
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'

test('a queue for what is safe and a stand-in for what is not are warned of once, at the start', async () => {
  const { adapter } = handBackend('orders', { Get: { safe: true }, Make: { safe: false } }, async () => ({
    data: {},
  }))
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends:
  orders:
    adapter: orders
    operations: { Get: { onFailure: queue }, Make: { static: {} } }
  fine:
    adapter: orders
    operations: { Get: { static: {} }, Make: { onFailure: queue } }
routes: [{ backend: orders }]
`,
    adapters: [adapter],
  })
  const warned = (): readonly string[] =>
    house
      .log()
      .split('\n')
      .filter((line) => /"warn".* not used/u.test(line))
  await until(async () => warned().length === 2)
  await fetch(`${house.base}/v1/requests/Make`, { method: 'POST', body: '{}' })
  expect(warned()).toEqual([
    expect.stringMatching(/"operation":"Get".*an operation that is safe is not queued/u),
    expect.stringMatching(/"operation":"Make".*an operation that is not safe has no stand-in/u),
  ])
})

// A component's lease is its own: not its successor's while both run, not its predecessor's, and free when it has ended.
import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineAdapter } from '../../core/api.ts'
import type { Scope } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'

const yaml = (version: number): string => `
channels: { web: { adapter: rest } }
agents: { reader: { adapter: reader, version: ${version} } }
routes: [{ agent: reader }]
`
const MINUTE_MS = 60_000

test('two versions of one component do not share a lease, and the older one lets it go with its end', async () => {
  const begun: { readonly version: number; readonly scope: Scope; readonly isHolder: boolean }[] = []
  const config = z.strictObject({ version: z.int() })
  const reader = defineAdapter({
    name: 'reader',
    apiVersion: 1,
    agent: {
      config,
      create: (given, scope) => ({
        async start() {
          const lease = await scope.state.lease('cursor', MINUTE_MS)
          begun.push({ version: config.parse(given).version, scope, isHolder: lease !== undefined })
        },
        answer: async () => undefined,
        async [Symbol.asyncDispose]() {},
      }),
    },
  })
  await using house = await openHouse({ yaml: yaml(1), adapters: [reader] })
  const [first] = begun
  expect(first).toMatchObject({ version: 1, isHolder: true })
  // It is the one that holds it: asked again it is renewed.
  expect(await first?.scope.state.lease('cursor', MINUTE_MS)).toBeDefined()
  await house.reload(yaml(2))
  const second = await until(() => begun[1])
  expect(second).toMatchObject({ version: 2, isHolder: false })
  await until(async () =>
    (await second.scope.state.lease('cursor', MINUTE_MS)) === undefined ? undefined : true,
  )
  expect(await first?.scope.state.lease('cursor', MINUTE_MS)).toBeUndefined()
})

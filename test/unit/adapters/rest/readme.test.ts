import { readFileSync } from 'node:fs'

import type { Component } from 'dragoman'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

import { endpoints } from '../../../../adapters/rest/endpoints.ts'
import rest from '../../../../adapters/rest/index.ts'
import { scope } from './host.ts'
import { createFrom } from '../../../support/create-from.ts'

const readme = readFileSync(new URL('../../../../adapters/rest/README.md', import.meta.url), 'utf8')
const [channelBlock, backendBlock] = [...readme.matchAll(/```yaml\n(.*?)```/gs)].map(
  // The blocks name one component each.
  ([, yaml]) => Object.entries(parse(yaml ?? '') as Record<string, Record<string, unknown>>)[0],
)

function create<T>(component: Component<T> | undefined, block: typeof channelBlock): T {
  const [id = '', { adapter, ...config } = {}] = block ?? []
  expect(adapter).toBe('rest')
  return createFrom(component, config, scope({ id }))
}

test('the channel of the README can be created, and shows the defaults', async () => {
  create(rest.channel, channelBlock)
  const [, { adapter: _adapter, ...config } = {}] = channelBlock ?? []
  expect(await rest.channel?.config['~standard'].validate({})).toStrictEqual({
    value: Object.fromEntries(Object.entries(config).filter(([name]) => name !== 'openapi')),
  })
})

test('the backend of the README can be created with all its operations', () => {
  const backend = create(rest.backend, backendBlock)
  expect({ ...backend.operations }).toStrictEqual({
    GetOrder: { safe: true, readsMessage: false },
    CreateOrder: { safe: false, readsMessage: false },
    '*': { safe: false, readsMessage: false },
  })
})

test('the README names every call there is', () => {
  for (const { method, path } of endpoints)
    expect(readme).toContain(`${method} /v1${path.replace(/\?.*/, '')}`)
})

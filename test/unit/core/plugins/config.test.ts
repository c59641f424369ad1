// What a plugin's component is made with: what its schema has made of the file.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineAdapter } from 'dragoman'
import { testConversation, testMessage, testScope } from 'dragoman/testing'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { loadPlugins } from '../../../../core/plugins/load.ts'

const SOURCE = `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({ name: 'where', apiVersion: 1, agent: {
  config: z.strictObject({ url: z.url().transform((text) => new URL(text)), words: z.int().default(3) }),
  create: ({ url, words }) => ({
    answer: async () => ({ text: [url.hostname, words].join(' ') }),
    async [Symbol.asyncDispose]() {},
  }),
} })`

test('create gets what the schema made, transforms and defaults included', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'where-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'where.ts'), SOURCE)
  await using loaded = await loadPlugins(folder)
  const agent = loaded.adapters[0]?.agent?.create({ url: 'http://erp.example/x' }, testScope())
  await agent?.start?.(new AbortController().signal)
  const { signal } = new AbortController()
  expect(await agent?.answer(testMessage(), testConversation, signal)).toEqual({ text: 'erp.example 3' })
})

test('the compiler knows it too', () => {
  const nothing = async (): Promise<void> => undefined
  const adapter = defineAdapter({
    name: 'typed',
    apiVersion: 1,
    agent: {
      config: z.strictObject({ url: z.url().transform((text) => new URL(text)) }),
      create: ({ url }) => {
        // @ts-expect-error a URL has no such member
        const { nowhere } = url
        return { answer: async () => ({ text: `${url.host}${nowhere}` }), [Symbol.asyncDispose]: nothing }
      },
    },
  })
  expect(adapter.agent?.create({ url: new URL('http://a:1') }, testScope())).toHaveProperty('answer')
})

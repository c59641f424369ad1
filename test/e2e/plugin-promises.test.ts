// An agent of a plugin that takes a message and answers later: the README's own.
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { post, readLog, texts } from '../support/rest.ts'

const readme = readFileSync(new URL('../../plugins/README.md', import.meta.url), 'utf8')
const [, source = ''] = /^```ts promise\n(.*?)```/msu.exec(readme) ?? []
const yaml = `
channels: { web: { adapter: rest } }
agents: { later: { adapter: later } }
routes: [{ agent: later }]
plugins: ./plugins
`

test('what it brings to the callback by scope.fetch is the reply, also of a gateway on loopback', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'plugins'))
  await writeFile(join(directory, 'plugins', 'later.ts'), source)
  await using gateway = await startGateway({ yaml, directory })
  const sent = await post(`${gateway.base}/v1/messages`, { sender: { id: 'ann' }, text: 'hello' })
  expect(sent.status).toBe(202)
  const log = await until(async () => {
    const all = await readLog(gateway.base, 'web:ann')
    return all.length > 1 ? all : undefined
  })
  expect(texts(log)).toEqual(['inbound: hello', 'outbound: here it is'])
})

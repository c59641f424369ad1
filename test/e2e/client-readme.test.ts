// core/link/client/README.md: its example, run as it stands but for the address and the file, and what it says of marks.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { connect, memoryBox } from '../../core/link/client.ts'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'

const root = resolve(import.meta.dirname, '../..')

test('the README’s app says hello and is answered', async () => {
  await using bot = await startBot(() => ({ body: { text: 'welcome' } }))
  await using gateway = await startGateway({
    yaml: `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: webhook, url: "${bot.url}" } }
routes: [ { agent: bot } ]
`,
  })
  const readme = await readFile(join(root, 'core/link/client/README.md'), 'utf8')
  const [, example = ''] = /```ts\n(.*?)```/su.exec(readme) ?? []
  const code = example
    .replace('http://127.0.0.1:8080', gateway.base)
    .replace('./ann.sqlite', join(gateway.directory, 'ann.sqlite'))
  const app = spawn(process.execPath, ['--input-type=module-typescript', '--eval', code], { cwd: root })
  let said = ''
  let wrong = ''
  app.stdout.on('data', (piece) => (said += String(piece)))
  app.stderr.on('data', (piece) => (wrong += String(piece)))
  try {
    await until(() => (said.includes('them: welcome\n') ? true : undefined))
  } finally {
    const gone = once(app, 'close')
    app.kill()
    await gone
  }
  expect(said).toContain('me: hello\n')
  expect(said).toContain('"mark":"read"')
  expect(wrong).not.toContain('Error')
}, 120_000)

test('an agent that only says how far a message came, with `mark` in its metadata: the app is told, and shows nothing', async () => {
  await using bot = await startBot((asked) => ({
    body: textOf(asked) === 'hello' ? { metadata: { mark: 'delivered' } } : { text: 'welcome' },
  }))
  await using gateway = await startGateway({
    yaml: `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: webhook, url: "${bot.url}" } }
routes: [ { agent: bot } ]
`,
  })
  const shown: string[] = []
  const marks: string[] = []
  await using app = connect({ url: gateway.base, token: 'ann', box: memoryBox() })
  app.onMessage(({ from, text }) => shown.push(`${from}: ${text}`))
  app.onState((state) => {
    if (state.what === 'mark') marks.push(state.mark)
  })
  await app.send('hello')
  await until(() => (marks.includes('delivered') ? true : undefined))
  expect(marks).not.toContain('read')
  await app.send('and?')
  await until(() => (shown.includes('them: welcome') ? true : undefined))
  expect(shown).toEqual(['me: hello', 'me: and?', 'them: welcome'])
}, 120_000)

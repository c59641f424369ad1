// The folder of plugins/_examples/feishu as an integrator copies it: its README's config, the platform's repeats, a slow bot, a killed gateway.
import { cp, mkdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startBot } from '../support/bot.ts'
import { account, said, seal, startFeishu } from '../support/feishu-platform.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'

const EXAMPLE = resolve(import.meta.dirname, '../../plugins/_examples/feishu')

test('a callback is answered before the bot is; its answer is shown once, whatever is repeated or killed', async () => {
  await using platform = await startFeishu()
  const slow = Promise.withResolvers<void>()
  await using bot = await startBot(async () => {
    await slow.promise
    return { body: { text: 'It is on its way.' } }
  })
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await mkdir(join(directory, 'plugins'))
  await cp(EXAMPLE, join(directory, 'plugins', 'feishu'), { recursive: true })
  const [, yaml = ''] = /^```yaml\n(.*?)^```/ms.exec(await readFile(join(EXAMPLE, 'README.md'), 'utf8')) ?? []
  const env = {
    FEISHU_APP_ID: account.appId,
    FEISHU_APP_SECRET: account.appSecret,
    FEISHU_ENCRYPT_KEY: account.encryptKey,
    FEISHU_TOKEN: account.verificationToken,
    FEISHU_API: platform.base,
    BOT_URL: bot.url,
  }
  await using first = await startGateway({ yaml, directory, env })
  const post = async (base: string, callback: object): Promise<readonly [number, unknown]> => {
    const { headers, body } = seal(callback)
    const response = await fetch(`${base}/feishu`, { method: 'POST', headers, body })
    return [response.status, await response.json()]
  }
  const check = { type: 'url_verification', challenge: 'hi', token: account.verificationToken }
  expect(await post(first.base, check)).toStrictEqual([200, { challenge: 'hi' }])
  const question = said({ text: 'Where is my order?' })
  expect(await post(first.base, question)).toStrictEqual([200, {}])
  expect(await post(first.base, question)).toStrictEqual([200, {}])
  expect(platform.shown()).toStrictEqual([])

  await first.kill()
  slow.resolve()
  platform.next({}) // shown, and the line is cut
  await using again = await startGateway({ yaml, directory, env })
  expect(await post(again.base, question)).toStrictEqual([200, {}])
  await until(() => (platform.asked.length >= 2 ? true : undefined), 30_000)
  expect(platform.shown()).toStrictEqual(['{"text":"It is on its way."}'])
  expect(new Set(platform.asked.map(({ body }) => body['uuid'])).size).toBe(1)
  expect(platform.asked.every(({ url }) => url === '/open-apis/im/v1/messages?receive_id_type=chat_id')).toBe(
    true,
  )
  expect(again.log() + first.log()).not.toContain(account.appSecret)
})

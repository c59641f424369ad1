// Tens of thousands of dead letters are handled by their kind, not one by one.
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import { metric, post, readLog, say, texts } from '../support/rest.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')

test(
  'all of a kind are dropped with a reason, the others stay; a list may be cut; all are replayed',
  { timeout: 60_000 },
  async () => {
    await using bot = await startBot(() => ({ status: 400 }))
    await using gateway = await startGateway({
      yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ when: "kind = 'event'", notify: helper }, { agent: helper }]
`,
    })
    const dead = async (...words: readonly string[]): Promise<string> => {
      const where = [
        '--config',
        join(gateway.directory, 'gateway.yaml'),
        '--data',
        join(gateway.directory, 'data'),
      ]
      const { stdout } = await promisify(execFile)(process.execPath, [BIN, 'dead', ...words, ...where])
      return stdout
    }
    const areDead = (count: number): Promise<true> =>
      until(
        async () => ((await metric(gateway.base, 'dragoman_dead_letters')) === count ? true : undefined),
        20_000,
      )
    for (const customer of ['ann', 'bob', 'cid'])
      await say(gateway.base, 'hello', { customer, key: customer })
    for (const orderNo of ['1', '2']) await post(`${gateway.base}/v1/events/order.shipped`, { orderNo })
    await areDead(5)
    const two = await dead('list', '--limit', '2')
    expect(two.trim().split('\n')).toHaveLength(4)
    expect(two).toContain('The first 2; there may be more.')
    expect(await dead('list', '--limit', '9')).not.toContain('there may be more')
    await expect(dead('drop')).rejects.toThrow('--all')
    await expect(dead('drop', 'x', '--all')).rejects.toThrow('--all')
    expect(await dead('drop', '--type', 'order.shipped', '--reason', 'nobody waits')).toBe('2 dropped.\n')
    await areDead(3)
    bot.answer = (asked) => ({ body: { text: `echo ${textOf(asked)}` } })
    expect(await dead('replay', '--all')).toBe('3 replayed.\n')
    await areDead(0)
    for (const customer of ['ann', 'bob', 'cid'])
      await until(async () =>
        texts(await readLog(gateway.base, `web:${customer}`)).includes('outbound: echo hello')
          ? true
          : undefined,
      )
    expect(await dead('drop', '--all')).toBe('0 dropped.\n')
  },
)

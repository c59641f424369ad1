// One box, one customer: on a device that two share, nobody sees or sends what is the other's.
import { connect, memoryBox } from 'dragoman/client'
import type { Box, Client, ConnectOptions } from 'dragoman/client'
import { afterEach, expect, test } from 'vitest'
import { until } from '../../../../support/gateway.ts'
import { openHouse } from '../../../../support/house.ts'
import { echo, handAgent } from '../../../../support/parts.ts'
import { tokenOf } from '../../../../support/token.ts'

const NOBODY = 'http://127.0.0.1:1'
const channels = `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: bot } }
routes: [ { agent: bot } ]
`
const ANOTHERS = 'failed this box belongs to another customer: give each customer a box of his own'

const apps: Client[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

interface App {
  readonly client: Client
  readonly said: string[]
  readonly links: string[]
}

function start(url: string, box: Box, more: Partial<ConnectOptions> & Pick<ConnectOptions, 'token'>): App {
  const said: string[] = []
  const links: string[] = []
  const client = connect({ url, box, links: ['websocket'], ...more })
  apps.push(client)
  client.onMessage(({ text }) => said.push(text))
  client.onState((event) => {
    if (event.what === 'link') links.push([event.status, event.reason ?? ''].join(' ').trim())
  })
  return { client, said, links }
}

const whole = (app: App, count: number): Promise<true> =>
  until(() => (app.said.length >= count ? true : undefined))

test.each(['websocket', 'http'] as const)(
  'over %s the welcome says whose inbox it is: another’s box ends the client before anything of it is sent',
  async (kind) => {
    const bot = handAgent('bot', echo)
    await using house = await openHouse({ yaml: channels, adapters: [bot.adapter] })
    const box = memoryBox()
    const before = start(house.base, box, { token: 'ann' })
    await before.client.send('of ann')
    await whole(before, 2)
    await before.client.close()
    const offline = start(NOBODY, box, { token: 'ann', links: [] })
    await offline.client.send('not sent yet')
    await offline.client.close()
    const bob = start(house.base, box, { token: 'bob', links: [kind] })
    await until(() => (bob.links.includes(ANOTHERS) ? true : undefined))
    await expect(bob.client.send('of bob')).rejects.toThrow('belongs to another customer')
    const own = start(house.base, memoryBox(), { token: 'bob' })
    await own.client.send('of bob')
    await whole(own, 2)
    expect(own.said).toEqual(['of bob', 'echo of bob'])
    const again = start(house.base, box, { token: 'ann' })
    await whole(again, 4)
    expect(again.said).toEqual(['of ann', 'echo of ann', 'not sent yet', 'echo not sent yet'])
  },
)

test('where the token says who it is for, another’s box shows nothing and opens no link; his own is shown at once', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml: channels, adapters: [bot.adapter] })
  const box = memoryBox()
  const before = start(house.base, box, { token: () => tokenOf('ann') })
  await before.client.send('of ann')
  await whole(before, 2)
  await before.client.close()
  for (const token of [await tokenOf('bob'), (): Promise<string> => tokenOf('bob')]) {
    const bob = start(NOBODY, box, { token })
    await until(() => (bob.links.includes(ANOTHERS) ? true : undefined))
    expect(bob.said).toEqual([])
    await bob.client.close()
  }
  let asked = 0
  const again = start(house.base, box, {
    async token() {
      asked++
      return tokenOf('ann')
    },
  })
  await until(() => (again.links.includes('online') ? true : undefined))
  expect([asked, again.said]).toEqual([1, ['of ann', 'echo of ann']])
})

test('what is kept is shown where nobody can be asked for a token: the network is away', async () => {
  const box = memoryBox()
  const said = {
    key: 'said/000000000000001',
    said: {
      id: 'a',
      from: 'me',
      at: '2026-01-01T00:00:00Z',
      text: 'kept',
      message: { text: 'kept' },
      mark: 'read',
    },
  }
  const place = { device: 'd', boot: 'b', next: 1, epoch: '', offset: 0, seen: [], owed: [], subject: 'ann' }
  await box.write([
    ['place', place],
    [said.key, said],
  ])
  for (const token of [
    async () => {
      throw new TypeError('fetch failed')
    },
    async () => Promise.withResolvers<string>().promise,
  ]) {
    const app = start(NOBODY, box, { token, links: [] })
    await whole(app, 1)
    expect(app.said).toEqual(['kept'])
    await app.client.close()
  }
})

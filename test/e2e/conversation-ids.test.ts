// DESIGN §11: a conversation that was accepted can be read, whatever its customer is called.
import { expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import { echo, handAgent } from '../support/parts.ts'
import { say } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`
const awkward = [
  'a/b',
  'a//b',
  String.raw`a\b`,
  '../x',
  'x/../y',
  '//',
  'a%2Fb',
  'messages/messages',
  '王/小',
]

test('slashes and backslashes in an id are read back percent-encoded, each conversation for itself', async () => {
  await using house = await openHouse({ yaml, adapters: [handAgent('bot', echo).adapter] })
  for (const customer of awkward)
    expect((await say(house.base, `of ${customer}`, { more: { sender: { id: customer } } })).status).toBe(202)
  for (const customer of awkward) {
    const id = encodeURIComponent(`web:${customer}`)
    const answer = await fetch(`${house.base}/v1/conversations/${id}/messages`)
    const { messages } = (await answer.json()) as { messages: { parts: { text: string }[] }[] } // as the log is documented
    expect([customer, messages[0]?.parts[0]?.text]).toEqual([customer, `of ${customer}`])
  }
})

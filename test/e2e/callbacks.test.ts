// SEMANTICS 7, 17: an agent that has only taken a message answers later, once, and only while the conversation is its own.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { startBot, textOf } from '../support/bot.ts'
import type { Asked } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import { traceOf } from '../../core/operators/trace.ts'
import { loadCallbackSecret } from '../../core/return/callback-secret.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, said } from '../support/parts.ts'
import { post, readLog, say, texts } from '../support/rest.ts'
import { answer, chat, given, taking, takingYaml } from '../support/taking.ts'

const KEPT = 'the conversation has passed to somebody else; the answer was kept as an internal note'

test('202 and a callback: 401 for a wrong token, 200, 200 again for the same body, 409 for another', async () => {
  let asked: Asked | undefined
  await using bot = await startBot((one) => {
    asked = one
    return { status: 202 }
  })
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper }]
`,
  })
  const { body } = await say(house.base, 'hello', { key: 'k1' })
  const { callbackurl: url = '', callbacktoken: token = '' } = (await until(() => asked)).event
  expect(textOf(await until(() => asked))).toBe('hello')
  expect(url).toBe(`${house.base}/v1/callbacks/${body.id}`)
  const reply = { text: 'later' }
  expect((await post(url, reply)).status).toBe(401)
  const others = [token.replace(/^0/u, '1'), token.replace('helper', 'people'), token.split('.').at(-1) ?? '']
  for (const wrong of ['x', `${token}x`, ...others])
    expect((await post(url, reply, { headers: { authorization: `Bearer ${wrong}` } })).status).toBe(401)
  expect((await answer({ url, token }, 'later')).status).toBe(200)
  expect((await answer({ url, token }, 'later')).status).toBe(200)
  const other = await answer({ url, token }, 'something else')
  expect(other.status).toBe(409)
  expect(other.body).toMatchObject({ code: 'NOT_OWNER' })
  expect(bot.asked).toHaveLength(1)
  const log = await readLog(house.base, 'web:ann')
  expect(texts(log)).toEqual(['inbound: hello', 'outbound: later'])
  expect(log[1]).toMatchObject({ sender: { id: 'helper' }, causationId: body.id })
  const duplicate = await say(house.base, 'hello', { key: 'k1' })
  expect(duplicate.body.reply?.parts?.[0]?.text).toBe('later')
})

test('a callback that is no answer is refused as its own mistake, one without the token as nobody, and changes nothing', async () => {
  const bot = taking()
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  await say(house.base, 'hello')
  await until(() => bot.asked[0])
  const { url, token } = given(bot)
  const headers = { authorization: `Bearer ${token}` }
  expect((await post(url, { parts: 'none' }, { headers })).status).toBe(400)
  const json = { ...headers, 'content-type': 'application/json' }
  expect((await fetch(url, { method: 'POST', headers: json, body: '{' })).status).toBe(400)
  expect((await fetch(url, { method: 'POST', headers, body: '{' })).status).toBe(415)
  expect((await fetch(url, { headers })).status).toBe(405)
  expect((await post(`${url}x`, { text: 'x' }, { headers })).status).toBe(401)
  expect((await answer(given(bot), 'later')).status).toBe(200)
})

test('a promise outlives an upgrade: a token of the version before names the term alone', async () => {
  const bot = taking()
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  const { body } = await say(house.base, 'hello')
  await until(() => bot.asked[0])
  const { url, token } = given(bot)
  const [term = ''] = token.split('.')
  const secret = await loadCallbackSecret(house.store, { debug() {}, info() {}, warn() {}, error() {} })
  const older = { url, token: `${term}.${secret.sign(`${body.id}.${term}`)}` }
  expect((await answer(older, 'later')).status).toBe(200)
  expect((await readLog(house.base, 'web:ann'))[1]?.sender).toMatchObject({ id: 'helper' })
})

test('who waits gets it: the first caller and a duplicate that joined', async () => {
  const bot = taking()
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  const first = say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  const { id } = (await until(() => bot.asked[0])).message
  await until(async () => ((await house.rows(id)).some((row) => row.row === 'settled') ? true : undefined))
  // It was taken already, and its answer is still to come: a duplicate that waits joins.
  const second = say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  const bare = await say(house.base, 'hello', { key: 'k1' })
  expect(bare).toMatchObject({ status: 202, body: { id, duplicate: true } })
  expect((await answer(given(bot), 'later')).status).toBe(200)
  for (const { body, status } of await Promise.all([first, second])) {
    expect(status).toBe(200)
    expect(body.reply?.parts?.[0]?.text).toBe('later')
  }
  expect(bot.asked).toHaveLength(1)
})

test('the token outlives the process: a callback after a restart counts, and a waiting duplicate gets it', async () => {
  const bot = taking()
  const adapters = [bot.adapter, taking('desk').adapter, chat().adapter]
  const first = await openHouse({ yaml: takingYaml(), adapters })
  const { body } = await say(first.base, 'hello', { key: 'k1' })
  await until(async () =>
    (await first.rows(body.id)).some((row) => row.row === 'settled') ? true : undefined,
  )
  await first.crash()
  await using house = await openHouse({ yaml: takingYaml(), adapters, directory: first.directory })
  const waiting = say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  const { url, token } = given(bot)
  const moved = url.replace(/^http:\/\/[^/]+/u, house.base)
  expect((await answer({ url: moved, token }, 'later')).status).toBe(200)
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('later')
  expect(bot.asked).toHaveLength(1)
})

test('SEMANTICS 7: after a hand-off a late callback is 409, and what it said an internal note', async () => {
  const bot = handAgent('bot', async (message) =>
    message.parts?.[0]?.text === 'a person!' ? { handoff: 'wants a person' } : undefined,
  )
  const desk = handAgent('desk', echo)
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, desk.adapter, chat().adapter],
  })
  const { body } = await say(house.base, 'hello', { key: 'k1' })
  await say(house.base, 'a person!', { waitSeconds: 15 })
  for (let n = 0; n < 2; n++) {
    const late = await answer(given(bot), 'too late')
    expect(late.status).toBe(409)
    expect(late.body).toMatchObject({ code: 'NOT_OWNER' })
  }
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual([
    'inbound: hello',
    'inbound: a person!',
    'outbound: echo a person!',
    'internal: too late',
  ])
  // An operator finds it at its question, and is told what it is.
  const told = (await traceOf(house.store, body.id))?.steps.find(({ step }) => step === 'note')
  expect(told?.detail).toContain('from helper by web: too late')
  const noted = (await readLog(house.base, 'web:ann')).find(({ direction }) => direction === 'internal')
  const own = await traceOf(house.store, noted?.id ?? '')
  expect(own?.steps.map(({ step }) => step)).toEqual(['note'])
  // Nobody is told the note: neither a duplicate nor the customer's own view of the log.
  expect(await say(house.base, 'hello', { key: 'k1' })).toMatchObject({ status: 202, body: { id: body.id } })
})

test('SEMANTICS 17: an answer that does not come in time is the fallback’s to give; the late one is 409 and a note', async () => {
  const bot = taking()
  const desk = handAgent('desk', echo)
  await using house = await openHouse({
    yaml: takingYaml('100ms'),
    adapters: [bot.adapter, desk.adapter, chat().adapter],
  })
  const answered = await say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  expect(answered.body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(desk.asked[0]?.message.id).toBe(answered.body.id)
  for (let n = 0; n < 2; n++)
    expect(await answer(given(bot), 'too late')).toMatchObject({ status: 409, body: { detail: KEPT } })
  const log = await readLog(house.base, 'web:ann')
  expect(texts(log)).toEqual(['inbound: hello', 'outbound: echo hello', 'internal: too late'])
  expect(log.slice(1).map(({ sender }) => sender.id)).toEqual(['people', 'helper'])
  const duplicate = await say(house.base, 'hello', { key: 'k1' })
  expect(duplicate.body.reply?.parts?.[0]?.text).toBe('echo hello')
})

test('SEMANTICS 7: what a bot says to a message after its fallback got it is a note and 409, also where it had promised nothing', async () => {
  const bot = handAgent('bot', async ({ parts }) => {
    if (parts?.[0]?.text === 'hand off') return { handoff: 'wants a person' }
    if (parts?.[0]?.text === 'answer') return { text: 'at once' }
    throw new GatewayError('AGENT_FAILED', 'broken', { status: 400 })
  })
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, handAgent('desk', echo).adapter, chat().adapter],
  })
  for (const [nth, text] of ['hand off', 'fail'].entries()) {
    const { body } = await say(house.base, text, { customer: `c${nth}`, waitSeconds: 15 })
    for (let n = 0; n < 2; n++)
      expect(await answer(given(bot, nth), 'late')).toMatchObject({ status: 409, body: { detail: KEPT } })
    const log = await readLog(house.base, `web:c${nth}`)
    expect(texts(log)).toEqual([`inbound: ${text}`, `outbound: echo ${text}`, 'internal: late'])
    expect(log[2]).toMatchObject({ sender: { id: 'helper' }, causationId: body.id })
    const trace = await traceOf(house.store, body.id)
    expect(trace?.steps.filter(({ step }) => step === 'note')).toHaveLength(1)
  }
  const { body } = await say(house.base, 'answer', { waitSeconds: 15 })
  const detail = `no answer to the message ${body.id} is waited for any more`
  expect(await answer(given(bot, bot.asked.length - 1), 'more')).toMatchObject({
    status: 409,
    body: { detail },
  })
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: answer', 'outbound: at once'])
})

test('SEMANTICS 26: what has expired when its answer is missed is not the fallback’s to give any more', async () => {
  const bot = taking()
  const desk = handAgent('desk', echo)
  await using house = await openHouse({
    yaml: takingYaml('500ms'),
    adapters: [bot.adapter, desk.adapter, chat().adapter],
  })
  const more = { expiresAt: new Date(Date.now() + 400).toISOString() }
  const waiting = { key: 'k1', waitSeconds: 15, more }
  const detail = 'the answer that was promised did not come before the message expired'
  const expired = { status: 410, body: { code: 'EXPIRED', detail } }
  expect(await say(house.base, 'hello', waiting)).toMatchObject(expired)
  expect(bot.asked).toHaveLength(1)
  expect(desk.asked).toEqual([])
  expect(await say(house.base, 'hello', waiting)).toMatchObject(expired)
  const [gone, ...rest] = await readLog(house.base, 'web:ann')
  expect([gone?.gone, gone?.parts, rest]).toEqual(['expired', undefined, []])
  expect(await house.ledger()).toMatchObject({ accepted: 1, expired: 1, settled: 0, dead: 0, waiting: 0 })
})

test('a fallback may take its time as well: its callback counts, by hand-off and by a missed deadline', async () => {
  for (const missed of [false, true]) {
    const bot = missed ? taking() : handAgent('bot', async () => ({ handoff: 'a person' }))
    const desk = taking('desk')
    await using house = await openHouse({
      yaml: takingYaml('100ms'),
      adapters: [bot.adapter, desk.adapter, chat().adapter],
    })
    const waiting = say(house.base, 'hello', { waitSeconds: 15 })
    await until(() => desk.asked[0])
    expect((await answer(given(desk), 'from a person')).status).toBe(200)
    expect((await waiting).body.reply?.parts?.[0]?.text).toBe('from a person')
    expect((await readLog(house.base, 'web:ann'))[1]).toMatchObject({ sender: { id: 'people' } })
  }
})

test('SEMANTICS 7: who has the conversation already is handed nothing over by its next message: all that was promised counts', async () => {
  for (const missed of [false, true]) {
    const bot = missed ? taking() : handAgent('bot', async () => ({ handoff: 'a person' }))
    const desk = taking('desk')
    await using house = await openHouse({
      yaml: takingYaml('100ms'),
      adapters: [bot.adapter, desk.adapter, chat().adapter],
    })
    for (const text of ['one', 'two', 'three']) await say(house.base, text)
    await until(() => (desk.asked.length === 3 ? true : undefined))
    for (const nth of [1, 0, 2])
      expect((await answer(given(desk, nth), `answer ${nth}`)).status, `${missed} ${nth}`).toBe(200)
    const log = await readLog(house.base, 'web:ann')
    expect(texts(log).slice(3)).toEqual(['outbound: answer 1', 'outbound: answer 0', 'outbound: answer 2'])
  }
})

test('SEMANTICS 7, 17: promises that are missed together are all the fallback’s to answer, at once or later', async () => {
  const bot = taking()
  const desk = handAgent('desk', async (message) =>
    message.parts?.[0]?.text === 'later' ? undefined : await echo(message),
  )
  await using house = await openHouse({
    yaml: takingYaml('300ms'),
    adapters: [bot.adapter, desk.adapter, chat().adapter],
  })
  for (const text of ['one', 'two', 'later', 'four']) await say(house.base, text)
  await until(() => (desk.asked.length === 4 ? true : undefined))
  const nth = desk.asked.findIndex(({ message }) => message.parts?.[0]?.text === 'later')
  expect((await answer(given(bot, 2), 'too late')).status).toBe(409)
  expect((await answer(given(desk, nth), 'at last')).status).toBe(200)
  const log = await readLog(house.base, 'web:ann')
  expect(texts(log).toSorted()).toEqual(
    ['one', 'two', 'later', 'four']
      .map((text) => `inbound: ${text}`)
      .concat(
        ['one', 'two', 'four'].map((text) => `outbound: echo ${text}`),
        'outbound: at last',
        'internal: too late',
      )
      .toSorted(),
  )
})

test('a promise that is not kept, and nobody else to ask: a dead letter, and who waits or asks again is told (DESIGN §6)', async () => {
  const bot = taking()
  await using house = await openHouse({
    yaml: takingYaml('100ms', false),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  const { status } = await say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  expect(status).toBe(502)
  expect((await say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })).status).toBe(502)
  // Nobody else has the conversation.
  expect(await answer(given(bot), 'too late')).toMatchObject({
    status: 409,
    body: {
      title: 'This answer does not count any more',
      detail: `no answer to the message ${bot.asked[0]?.message.id} is waited for any more (failed)`,
    },
  })
  const [letter, ...more] = await house.dead()
  expect(letter).toMatchObject({
    kind: 'timer',
    failure: { message: 'agent helper promised an answer that did not come in time, but nobody is left' },
  })
  expect(more).toEqual([])
  // The step of the message had ended before: the promise is what is dead (SEMANTICS 17, 36).
  expect(await house.ledger()).toMatchObject({ accepted: 1, settled: 1, dead: 0, waiting: 0 })
})

test('SEMANTICS 5: on a channel that pushes, a callback nobody waits for is pushed once', async () => {
  const bot = taking()
  const channel = chat()
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, taking('desk').adapter, channel.adapter],
  })
  await channel.host.accept(said('hello'))
  await until(() => bot.asked[0])
  expect((await answer(given(bot), 'later')).status).toBe(200)
  await until(() => channel.sent[0])
  expect((await answer(given(bot), 'later')).status).toBe(200)
  await until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  expect(channel.sent.map(({ text }) => text)).toEqual(['later'])
})

test('a callback may hand off: the fallback is asked at once, also where the bot says so twice', async () => {
  const bot = taking()
  const desk = handAgent('desk', echo)
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, desk.adapter, chat().adapter],
  })
  const waiting = say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  await until(() => bot.asked[0])
  const { url, token } = given(bot)
  const headers = { authorization: `Bearer ${token}` }
  for (let n = 0; n < 2; n++)
    expect((await post(url, { handoff: 'asks for a person' }, { headers })).status).toBe(200)
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(desk.asked).toHaveLength(1)
  // It gave the message away: what it says now is too late.
  expect(await answer(given(bot), 'after all')).toMatchObject({ status: 409, body: { detail: KEPT } })
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual([
    'inbound: hello',
    'outbound: echo hello',
    'internal: after all',
  ])
  const [place] = await house.store.find({ by: 'conversation', conversation: 'web:ann' })
  expect(place).toMatchObject({ ownerEpoch: 1, agent: 'people' })
})

test('a callback that hands off where nobody is left is a dead letter, and who waits is told', async () => {
  const bot = taking()
  await using house = await openHouse({
    yaml: takingYaml('1h', false),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  const waiting = say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  await until(() => bot.asked[0])
  const { url, token } = given(bot)
  const id = bot.asked[0]?.message.id ?? ''
  const told = async (): Promise<readonly string[]> =>
    ((await traceOf(house.store, id))?.steps ?? [])
      .filter(({ step }) => step === 'settled' || step === 'claim')
      .map(({ step, detail }) => `${step} ${detail}`)
  expect(await told()).toEqual(['settled taken', 'claim taken'])
  await post(url, { handoff: 'a person' }, { headers: { authorization: `Bearer ${token}` } })
  expect((await waiting).status).toBe(502)
  const failure = 'agent helper hands off ("a person"), but nobody is left'
  expect((await house.dead()).map((letter) => letter.failure.message)).toEqual([failure])
  // What was so at its moment is told so for ever.
  expect(await told()).toEqual([
    'settled taken',
    'settled taken',
    'settled failed',
    `claim failed: ${failure}`,
  ])
  expect(house.log()).toContain('give the route a fallback')
})

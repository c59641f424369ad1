// What an agent or a backend hands back: which of it is an answer, and what is said of the rest.
import { runInNewContext } from 'node:vm'
import { expect, test, vi } from 'vitest'
import { agentAnswerOf, outbound, replyOf } from '../../../../core/calls/answers.ts'
import type { ChannelInUse } from '../../../../core/calls/calls.ts'
import { pushesOf } from '../../../../core/deliver/push.ts'
import { testMessage } from '../../../../core/testing.ts'

test.each<[string, unknown, string]>([
  [
    'a backend that forgot `data`',
    { orderNo: 1 },
    'has none of text, parts, data, fault, metadata, partial; it has `orderNo`',
  ],
  ['a hand-off by a backend', { handoff: 'why' }, 'it has `handoff`'],
  ['a text', 'hi', 'is no object'],
  ['a Map', new Map([['data', 1]]), 'is no object'],
  ['an Error', new Error('x'), 'is no object'],
  [
    'a Map in it',
    { data: { rows: new Map([[1, 2]]) } },
    'it holds an object of the class Map, which is not plain data',
  ],
  ['an Error in it', { data: new Error('x') }, 'of the class Error'],
  ['bytes in it', { data: Buffer.from('x') }, 'of the class Buffer'],
  ['a bigint in it', { data: [10n] }, 'holds a bigint'],
  ['a day that is none', { data: { at: new Date('x') } }, 'holds an invalid Date'],
])('%s is no answer of a backend, and is told what it is', (_name, answer, problem) => {
  expect(() => replyOf(answer, 'backend', 'backend "m"')).toThrow(
    expect.objectContaining({ code: 'BACKEND_FAILED', message: expect.stringContaining(problem) }),
  )
})

test.each<[unknown, string]>([
  [{ answer: 'hi' }, 'has none of handoff, text, parts, data, fault, metadata, partial; it has `answer`'],
  [{ handoff: true }, 'has a handoff that is no text'],
  [{ handoff: null, text: 'hi' }, 'has a handoff that is no text'],
])('%j is no answer of an agent', (answer, problem) => {
  expect(() => agentAnswerOf(answer, 'agent "mb"')).toThrow(
    expect.objectContaining({ code: 'AGENT_FAILED', message: expect.stringContaining(problem) }),
  )
})

test('an empty answer says nothing, an unknown member beside a known one is ignored, a hand-off goes through', () => {
  expect(agentAnswerOf(undefined, 'agent "mb"')).toBeUndefined()
  expect(agentAnswerOf({}, 'agent "mb"')).toEqual({ origin: 'agent' })
  expect(agentAnswerOf({ handoff: undefined, text: 'hi', mood: 1 }, 'agent "mb"')).toEqual({
    parts: [{ kind: 'text', text: 'hi' }],
    origin: 'agent',
  })
  expect(agentAnswerOf({ handoff: 'why', mood: 1 }, 'agent "mb"')).toEqual({ handoff: 'why' })
})

test('DESIGN §3: a Date crosses as its text in every protocol; objects without a class, of any realm, are plain', () => {
  const made = Object.assign(Object.create(null) as object, { at: new Date(0) })
  const foreign: unknown = runInNewContext('({ list: [{ a: 1 }] })')
  const { data } = replyOf({ data: { made, foreign } }, 'backend', 'backend "m"')
  expect(JSON.stringify(data)).toBe('{"made":{"at":"1970-01-01T00:00:00.000Z"},"foreign":{"list":[{"a":1}]}}')
  expect(made).toHaveProperty('at', '1970-01-01T00:00:00.000Z')
})

test('an answer that is partial says so in its reply; any other word for it is none', () => {
  expect(replyOf({ data: 1, partial: true }, 'backend', 'x')).toEqual({
    data: 1,
    partial: true,
    origin: 'backend',
  })
  for (const partial of [false, 'true', 1, null, undefined])
    expect(replyOf({ data: 1, partial }, 'backend', 'x')).toEqual({ data: 1, origin: 'backend' })
})

test('a partial answer is marked in the log as well', () => {
  const reply = replyOf({ data: 1, partial: true }, 'backend', 'x')
  expect(outbound(testMessage(), reply, { id: 'x', now: 0 })).toMatchObject({ data: 1, partial: true })
})

test('DESIGN §3: a fault has its message as text in the log, unless the other side said something itself', () => {
  const fault = { code: 'NO_STOCK', message: 'none left', detail: { sku: '7' } }
  const logged = (answer: object) =>
    outbound(testMessage(), replyOf(answer, 'agent', 'x'), { id: 'x', now: 0 })
  const text = (said: string) => ({ type: 'text', parts: [{ kind: 'text', text: said }] })
  expect(logged({ fault })).toMatchObject({ ...text('none left'), data: { fault } })
  expect(logged({ fault, text: 'Sorry, sold out.' })).toMatchObject({
    ...text('Sorry, sold out.'),
    data: { fault },
  })
  expect(logged({ fault, data: { left: 0 } })).toMatchObject({ ...text('none left'), data: { left: 0 } })
  expect(logged({ fault: { code: 'NO_STOCK', message: '' } })).toMatchObject(text('NO_STOCK'))
})

test('each part is its own push, and the whole is one where the channel pushes it whole (SEMANTICS 30)', () => {
  const parts = ['one', 'two'].map((text) => ({ kind: 'text', text }) as const)
  const said = outbound(testMessage(), replyOf({ parts }, 'agent', 'x'), { id: 'x', now: 0 })
  const owed = (more: object) => {
    const channel = { send: vi.fn<() => void>(), ...more }
    const inUse = { id: 'chat', adapter: 'chat', channel, inDoubt: 'repeat' }
    return pushesOf(inUse as unknown as ChannelInUse, said).map(({ key, part }) => [key, part]) // it looks at no more
  }
  expect(owed({})).toEqual([
    [`${said?.id}/0`, 0],
    [`${said?.id}/1`, 1],
  ])
  expect(owed({ pushesWhole: true })).toEqual([[`${said?.id}/-1`, -1]])
})

test('a mark is in the log without parts and is pushed to nobody; other metadata alone says nothing', () => {
  const logged = (metadata: Record<string, string>) =>
    outbound(testMessage(), replyOf({ metadata }, 'agent', 'x'), { id: 'x', now: 0 })
  const pushing = { id: 'chat', adapter: 'chat', channel: { send: vi.fn<() => void>() }, inDoubt: 'repeat' }
  for (const mark of ['delivered', 'read']) {
    const said = logged({ mark })
    expect(said).toMatchObject({ type: 'mark', metadata: { mark } })
    expect(said).not.toHaveProperty('parts')
    expect(said).not.toHaveProperty('data')
    expect(pushesOf(pushing as unknown as ChannelInUse, said)).toEqual([]) // of the channel only `send` is looked at
  }
  expect(logged({ mark: 'seen' })).toBeUndefined()
  expect(logged({ mood: 'good' })).toBeUndefined()
})

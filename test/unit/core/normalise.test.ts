import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import type { Draft } from '../../../core/api.ts'
import { normalise } from '../../../core/normalise.ts'

const draft: Draft = {
  kind: 'message',
  type: 'text',
  sender: { id: 'ann', role: 'customer' },
  parts: [{ kind: 'text', text: 'hello' }],
}
const isChannel = (name: string): boolean => name === 'web' || name === 'crm'
const web = { id: 'web', adapter: 'rest' }
const options = { channel: web, identity: undefined, now: 0, dedupeMs: 1000, isChannel }
const of = (change: object, more: object = {}) => normalise({ ...draft, ...change }, { ...options, ...more })

test('a message is stamped by the core and frozen all the way down', () => {
  const { message, home } = of({})
  expect(message).toMatchObject({ channel: 'web', conversation: 'web:ann', direction: 'inbound' })
  expect(message.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/u)
  expect(message.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/u)
  expect(home).toBe('web/ann')
  expect(Object.isFrozen(message.parts?.[0])).toBe(true)
})

test('a name never comes from a body when a credential gave one (DESIGN §11)', () => {
  const identity = { role: 'customer', id: 'bob' } as const
  const { message, home } = of({ sender: { id: 'ann', role: 'agent', tier: 'vip' } }, { identity })
  expect(message.sender).toEqual({ id: 'bob', role: 'customer' })
  expect(message.conversation).toBe('link:bob')
  expect(home).toBe('link/bob')
})

test('an event about another customer is a program’s to send: to whom else speaks it is refused, not made one about himself', () => {
  const event = { kind: 'event', parts: undefined, data: {} }
  const customer = { identity: { role: 'customer', id: 'ann' } }
  const agent = { identity: { role: 'agent', id: 'ann' } }
  const about = (id: string, more: object = {}) =>
    of({ ...event, sender: { id, role: 'customer' } }, more).message.sender
  for (const [id, more] of [
    ['bob', customer],
    ['bob', agent],
    ['ann', agent],
  ] as const)
    expect(() => about(id, more)).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN', message: expect.stringContaining(`("${id}")`) }),
    )
  expect(about('ann', customer)).toEqual({ id: 'ann', role: 'customer' })
  expect(about('bob', { identity: { role: 'program', id: 'erp' } })).toEqual({ id: 'bob', role: 'customer' })
  expect(about('bob')).toEqual({ id: 'bob', role: 'customer' })
  // About nobody: it is of who speaks.
  const nobody = { ...event, sender: { id: 'web', role: 'system' } }
  expect(of(nobody, agent).message.sender).toEqual({ id: 'ann', role: 'agent' })
})

test('a person at the desk has a conversation, a home and ids that no customer of the same name has (SEMANTICS 8, 9)', () => {
  const max = { sender: { id: 'max', role: 'customer' }, externalId: 'x' }
  const agent = of(max, { identity: { role: 'agent', id: 'max' } })
  expect([agent.message.conversation, agent.home]).toEqual(['~agent:max', '~agent/max'])
  const others = [undefined, { role: 'customer', id: 'max' }, { role: 'program', id: 'max' }]
  for (const identity of others) {
    const other = of(max, { identity })
    expect(other.home).not.toBe(agent.home)
    expect(other.dedupe?.key).not.toBe(agent.dedupe?.key)
    expect(() => of({ ...max, conversation: '~agent:max' }, { identity })).toThrow(/is another customer's/u)
  }
})

test('what backends take for words of their protocol only programs may send, and XML-RPC types whoever speaks XML-RPC', () => {
  const code = (name: string, identity: object | undefined, adapter = 'rest'): string | undefined => {
    try {
      of({ metadata: { note: 'x', [name]: '{}' } }, { identity, channel: { ...web, adapter } })
      return undefined
    } catch (error) {
      return GatewayError.from(error).code
    }
  }
  const customer = { role: 'customer', id: 'bob' }
  expect(code('soap:Principal', customer)).toBe('FORBIDDEN')
  expect(code('soap:Principal', customer, 'soap')).toBe('FORBIDDEN')
  expect(code('soap:Principal', { role: 'agent', id: 'eve' })).toBe('FORBIDDEN')
  expect(code('xmlrpc:types', customer)).toBe('FORBIDDEN')
  expect(code('xmlrpc:types', customer, 'webservice')).toBeUndefined()
  expect(code('traceparent', customer)).toBeUndefined()
  expect(code('mqtt:topic', customer, 'mqtt')).toBeUndefined()
  for (const program of [undefined, { role: 'program', id: 'erp' }]) {
    expect(code('soap:Principal', program)).toBeUndefined()
    expect(code('xmlrpc:types', program)).toBeUndefined()
  }
})

test('who has not been identified yet says nothing, under whatever name', () => {
  expect(() => of({}, { identity: { role: 'customer', id: '' } })).toThrow(
    expect.objectContaining({ code: 'AUTH_FAILED' }),
  )
})

test('the dedupe key is namespace, principal, sender and externalId (SEMANTICS 8)', () => {
  const key = (change: object, more: object = {}) => of({ externalId: 'x', ...change }, more).dedupe?.key
  const customer = { identity: { role: 'customer', id: 'ann' } }
  const same = key({})
  expect(key({})).toBe(same)
  expect(key({ sender: { id: 'bob', role: 'customer' } })).not.toBe(same)
  expect(key({}, { channel: { ...web, id: 'crm' } })).not.toBe(same)
  expect(key({ externalId: 'y' })).not.toBe(same)
  expect(key({}, customer)).toBe(key({}, { ...customer, channel: { ...web, id: 'other' } }))
  expect(of({}).dedupe).toBeUndefined()
})

test('the fingerprint leaves out raw, replyContext, occurredAt, metadata and the order of members', () => {
  const print = (change: object) => of({ externalId: 'x', ...change }).dedupe?.fingerprint
  const same = print({ data: { a: 1, b: [2] } })
  const raw = { mediaType: 'text/plain', bytes: new Uint8Array([1]) }
  const trimmings = { raw, replyContext: 1, occurredAt: '2026-01-01T00:00:00Z', metadata: { a: 'b' } }
  expect(print({ data: { b: [2], a: 1 }, ...trimmings })).toBe(same)
  expect(print({ data: { a: 1, b: [3] } })).not.toBe(same)
  expect(print({ data: { a: '1', b: [2] } })).not.toBe(same)
})

test('what the channel itself says is the same again is the fingerprint, whatever the draft says (SEMANTICS 8)', () => {
  const print = (type: string, fingerprint?: string) =>
    of({ externalId: 'x', type }, { fingerprint }).dedupe?.fingerprint
  expect(print('a', 'same')).toBe(print('b', 'same'))
  expect(print('a', 'same')).not.toBe(print('a', 'other'))
  expect(print('a', 'same')).not.toBe(print('a'))
})

test.each([
  [{ kind: 'shout' }, /kind "shout"/u],
  [{ type: '' }, /type is empty/u],
  [{ sender: { id: 'a\u0000b', role: 'customer' } }, /sender.id holds a control character/u],
  [{ sender: { id: 'a', role: 'king' } }, /sender.role "king"/u],
  [{ externalId: 'x'.repeat(513) }, /externalId has 513 characters/u],
  [{ externalId: 7 }, /externalId is 7, not a text/u],
  [{ externalId: null }, /externalId is null, not a text/u],
  [{ type: undefined }, /type is missing/u],
  [{ type: ['a'] }, /type is a list, not a text/u],
  [{ inReplyTo: { id: 1 } }, /inReplyTo is an object, not a text/u],
  [{ raw: { mediaType: 'text/plain', bytes: 'text' } }, /raw\.bytes is not bytes: give a Uint8Array/u],
  [{ raw: { bytes: new Uint8Array(1) } }, /raw\.mediaType is not a text/u],
  [{ raw: 'text' }, /raw is not \{ mediaType, bytes \}/u],
  [{ conversation: '\uD800' }, /not well-formed Unicode/u],
  [{ conversation: '.' }, /conversation "\." cannot stand in an address/u],
  [{ conversation: '..' }, /conversation "\.\." cannot stand in an address/u],
  [{ parts: [] }, /needs parts or data/u],
  [{ parts: [{ kind: 'song', text: 'la' }] }, /parts\[0\].kind/u],
  [{ parts: [{ kind: 'image' }] }, /parts\[0\].text is missing/u],
  [{ expiresAt: 'tomorrow' }, /expiresAt "tomorrow" is not an RFC 3339/u],
  [{ priority: 'asap' }, /priority "asap"/u],
  [{ metadata: { a: 1 } }, /metadata "a" is not a text/u],
  [{ data: Number.NaN }, /NaN, which is not a JSON number/u],
  [{ data: { f: () => 1 } }, /function, which is not plain data/u],
  [{ data: JSON.parse('['.repeat(100) + ']'.repeat(100)) }, /nested deeper than 64/u],
])('%j is refused and named', (change, problem) => {
  expect(() => of(change)).toThrow(problem)
})

test.each([
  '2027-02-30T00:00:00Z',
  '2027-02-29T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '2027-04-31T00:00:00Z',
  '2027-01-00T00:00:00Z',
  '2027-00-01T00:00:00Z',
  '2027-13-01T00:00:00Z',
  '2027-01-01T24:00:00Z',
  '2027-01-01T00:60:00Z',
  '2027-01-01T00:00:61Z',
  '2027-01-01T00:00:00+24:00',
  '2027-01-01T00:00:00+23:60',
])('a date-time that does not exist is refused: %s (RFC 3339 §5.7)', (moment) => {
  for (const name of ['occurredAt', 'expiresAt'])
    expect(() => of({ [name]: moment })).toThrow(`${name} "${moment}" is not an RFC 3339 date-time`)
})

test.each([
  '2016-12-31T23:59:60Z',
  '2016-12-31T15:59:60.5-08:00',
  '2024-02-29T00:00:00z',
  '2000-02-29t23:59:59.123456+23:59',
  '2027-12-31T00:00:00-00:00',
])('a date-time that exists is taken and given on as it was written: %s (RFC 3339 §5.7)', (moment) => {
  const { message } = of({ occurredAt: moment, expiresAt: moment })
  expect([message.occurredAt, message.expiresAt]).toEqual([moment, moment])
})

test('characters are counted as JSON Schema counts them (Validation §6.3.1)', () => {
  const sender = (length: number) => ({ sender: { id: '😀'.repeat(length), role: 'customer' } })
  expect(of(sender(256)).message.sender.id).toHaveLength(512)
  expect(() => of(sender(257))).toThrow('sender.id has 257 characters, more than 256')
  expect(() => of({ externalId: '😀'.repeat(513) })).toThrow('externalId has 513 characters, more than 512')
})

test('whatever is handed in, it is a frozen message or a DECODE_FAILED, and no prototype is touched', () => {
  fc.assert(
    fc.property(
      fc.object({ maxDepth: 4 }),
      fc.constantFrom('data', 'sender', 'parts', 'metadata', 'type'),
      (value, member) => {
        try {
          expect(Object.isFrozen(of({ [member]: value }).message)).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError)
          expect(error).toMatchObject({ code: 'DECODE_FAILED' })
        }
        expect(Object.keys(Object.prototype)).toEqual([])
      },
    ),
  )
})

test('nobody takes a usual conversation of another before he has spoken (SEMANTICS 9)', () => {
  const conversationOf = (conversation: string, more: object = {}) =>
    of({ conversation }, more).message.conversation
  for (const usual of ['link:ann', 'web:bob', 'crm:ann', 'link:', 'web:ann:1'])
    expect(() => conversationOf(usual)).toThrow(/is another customer's/u)
  for (const free of ['web:ann', 'case:42', 'link', 'web', 'shop:web:bob', ':web:bob'])
    expect(conversationOf(free)).toBe(free)
  const customer = { identity: { role: 'customer', id: 'ann' } }
  expect(conversationOf('link:ann', customer)).toBe('link:ann')
  expect(() => conversationOf('web:ann', customer)).toThrow(GatewayError)
})

test('SEMANTICS 27: a draft that says no priority has the one that is usual here, which is no part of its fingerprint', () => {
  expect(of({}).message.priority).toBeUndefined()
  expect(of({}, { priority: 'high' }).message.priority).toBe('high')
  expect(of({ priority: 'low' }, { priority: 'high' }).message.priority).toBe('low')
  const print = (change: object, more: object = {}) =>
    of({ externalId: 'x', ...change }, more).dedupe?.fingerprint
  expect(print({}, { priority: 'high' })).toBe(print({}))
  expect(print({ priority: 'high' })).not.toBe(print({}))
})

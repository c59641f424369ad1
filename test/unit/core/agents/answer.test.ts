// Whatever a bot sends, the gateway gets an answer, a hand-off, nothing, or AGENT_FAILED.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { readAnswer } from '../../../../core/agents/webhook/answer.ts'

const options = { who: 'agent "helper"', now: 0 }
const memberNames = ['text', 'parts', 'data', 'fault', 'metadata', 'handoff', '__proto__', 'constructor', 'x']
const answerMembers = new Set(['text', 'parts', 'data', 'fault', 'metadata'])

async function read(body: string | Uint8Array<ArrayBuffer>, status = 200): Promise<unknown> {
  return readAnswer(new Response(body, { status }), options).catch((error: unknown) => error)
}

function isOneOfFour(end: unknown): boolean {
  if (end === undefined) return true
  if (end instanceof GatewayError) return end.code === 'AGENT_FAILED'
  if (typeof end !== 'object' || end === null) return false
  const names = Object.keys(end)
  return names.length === 1 && names[0] === 'handoff' ? true : names.every((name) => answerMembers.has(name))
}

test('any JSON object of known and hostile members is one of the four', async () => {
  const body = fc.dictionary(fc.constantFrom(...memberNames), fc.jsonValue(), { noNullPrototype: true })
  await fc.assert(fc.asyncProperty(body, async (value) => isOneOfFour(await read(JSON.stringify(value)))))
})

test('any bytes, with any status, are one of the four', async () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((value) => Uint8Array.from(value))
  const status = fc.constantFrom(200, 201, 206, 301, 400, 404, 429, 500, 503, 599)
  await fc.assert(fc.asyncProperty(bytes, status, async (body, code) => isOneOfFour(await read(body, code))))
})

test('null stands for what is absent, in parts, their media and metadata too, and data stays', async () => {
  const absent = { parts: null, fault: null, metadata: null, handoff: null }
  expect(await read(JSON.stringify({ text: 'hi', ...absent }))).toEqual({ text: 'hi' })
  const parts = [
    { kind: 'text', text: 'hi', media: null, data: null },
    { kind: 'image', text: 'a', media: { url: 'http://x/1', name: null } },
  ]
  expect(await read(JSON.stringify({ parts, metadata: { a: null, b: 'c' } }))).toEqual({
    parts: [
      { kind: 'text', text: 'hi', data: null },
      { kind: 'image', text: 'a', media: { url: 'http://x/1' } },
    ],
    metadata: { b: 'c' },
  })
})

test('a hand-off is never refused for the length of its reason, which is cut at a whole character', async () => {
  const reason = async (handoff: string): Promise<unknown> => read(JSON.stringify({ handoff }))
  expect(await reason('x'.repeat(1_000))).toEqual({ handoff: 'x'.repeat(1_000) })
  expect(await reason('x'.repeat(1_050))).toEqual({ handoff: `${'x'.repeat(999)}…` })
  expect(await reason(`${'x'.repeat(998)}👍👍`)).toEqual({ handoff: `${'x'.repeat(998)}…` })
})

test.each([
  ['12.0', 12],
  ['1e2', 100],
])('%s is a whole number of bytes', async (written, bytes) => {
  const body = `{"parts":[{"kind":"file","text":"f","media":{"id":"7","bytes":${written}}}]}`
  expect(await read(body)).toEqual({ parts: [{ kind: 'file', text: 'f', media: { id: '7', bytes } }] })
})

test('data crosses unchanged, whatever it holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (data) => {
      const sent = JSON.stringify({ data })
      // Doubles whose shortest form is another text than JSON's (1e+21, -0) come back as that text.
      fc.pre(!/\d[eE]|-0\b/.test(sent) && !hasUnsafeInteger(data))
      expect(JSON.stringify(await read(sent))).toBe(sent)
    }),
  )
})

function hasUnsafeInteger(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeInteger)
}

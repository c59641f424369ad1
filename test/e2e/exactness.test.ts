// Exactness (DESIGN §3): a value enters by any protocol, leaves by any other, its answer comes back, and nothing has changed.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Config } from '../../config/load.ts'
import { gatewayYaml } from './exactness/config.ts'
import { docOf, namedDoc, plainStyle, style } from './exactness/model.ts'
import type { Doc, Kind, Style } from './exactness/model.ts'
import { configOf, Pair } from './exactness/pair.ts'
import { protocols, rest } from './exactness/protocols.ts'
import type { Protocol, Wire } from './exactness/protocols.ts'

const RUNS = Number(process.env['EXACTNESS_RUNS'] ?? 40)
let directory = ''
const configs = new Map<Kind, Config>()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dragoman-exact-'))
  for (const kind of ['Echo', 'EchoText'] as const) {
    const file = join(directory, `${kind}.yaml`)
    await writeFile(file, gatewayYaml('http://127.0.0.1:9', kind === 'Echo'))
    configs.set(kind, await configOf(file))
  }
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function pairOf(from: Protocol, to: Protocol, kind: Kind): Pair {
  const config = configs.get(kind)
  if (config === undefined) throw new Error('the config was not read')
  return new Pair(from, to, config)
}

interface Crossing {
  readonly kind: Kind
  readonly question: Doc
  readonly answer: Doc
  readonly styles: readonly [Style, Style]
}

async function cross(pair: Pair, { kind, question, answer, styles }: Crossing): Promise<void> {
  const [asked, told] = styles
  Object.assign(pair.counterpart, { kind, tell: answer, style: told, seen: undefined })
  const wire = await pair.ask(kind, pair.from.ask(kind, question, asked))
  expect(`${wire.status} ${new TextDecoder().decode(wire.body).slice(0, 600)}`).toMatch(/^200 /)
  expect(pair.counterpart.seen).toStrictEqual(question)
  expect(pair.from.answered(kind, wire)).toStrictEqual(answer)
}

const kinds = [
  { kind: 'Echo', where: 'with a schema' },
  { kind: 'EchoText', where: 'where nothing has a type' },
] as const
describe.each(kinds)('$where', ({ kind }) => {
  for (const from of protocols)
    for (const to of protocols)
      test(`${from.name} → ${to.name}: the named values, and any other, cross unchanged both ways`, async () => {
        await using pair = pairOf(from, to, kind)
        const doc = namedDoc(kind)
        await cross(pair, { kind, question: doc, answer: doc, styles: [plainStyle, plainStyle] })
        const crossing = fc.record({
          kind: fc.constant(kind),
          question: docOf(kind),
          answer: docOf(kind),
          styles: fc.tuple(style, style),
        })
        await fc.assert(
          fc.asyncProperty(crossing, (one) => cross(pair, one)),
          { numRuns: RUNS },
        )
      })
})

// A number that a double would change keeps its text, whoever wrote it as a number of JSON.
const lexicals = ['1.10', '1e5', '12345678901234567890', '-0', '0.1000', '1E-7']

describe('numbers of JSON', () => {
  for (const other of protocols) {
    test(`a REST caller's numbers reach a ${other.name} system by their text`, async () => {
      await using pair = pairOf(rest, other, 'EchoText')
      for (const lexical of lexicals) {
        Object.assign(pair.counterpart, { kind: 'EchoText', tell: namedDoc('EchoText'), seen: undefined })
        const { status } = await pair.ask('EchoText', numberAs(lexical))
        expect(status).toBe(200)
        expect(pair.counterpart.seen).toMatchObject({ text: lexical })
      }
    })

    test(`a REST system's numbers reach a ${other.name} caller by their text`, async () => {
      await using pair = pairOf(other, rest, 'EchoText')
      for (const lexical of lexicals) {
        pair.counterpart.answer = () => numberAs(lexical)
        const wire = await pair.ask('EchoText', other.ask('EchoText', namedDoc('EchoText'), plainStyle))
        expect(other.answered('EchoText', wire)).toMatchObject({ text: lexical })
      }
    })
  }
})

function numberAs(lexical: string): Wire {
  const doc = JSON.stringify({ ...namedDoc('EchoText'), text: 'NUMBER' }).replace('"NUMBER"', lexical)
  return { headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode(`{"doc":${doc}}`) }
}

describe('what XML cannot carry (XML 1.0 §2.2)', () => {
  for (const other of protocols.filter((one) => one !== rest)) {
    test(`is refused before a ${other.name} system is asked, not dropped`, async () => {
      await using pair = pairOf(rest, other, 'EchoText')
      for (const text of ['a\u0000b', 'a\u0001b', 'a\uFFFEb']) {
        Object.assign(pair.counterpart, { kind: 'EchoText', tell: namedDoc('EchoText'), seen: undefined })
        const wire = await pair.ask(
          'EchoText',
          rest.ask('EchoText', { ...namedDoc('EchoText'), text }, plainStyle),
        )
        expect(wire.status).toBe(400)
        expect(JSON.parse(new TextDecoder().decode(wire.body))).toMatchObject({ code: 'DECODE_FAILED' })
        expect(pair.counterpart.seen).toBeUndefined()
      }
    })

    test(`becomes an error a ${other.name} caller can read, not an answer with a hole`, async () => {
      await using pair = pairOf(other, rest, 'EchoText')
      const tell = { ...namedDoc('EchoText'), text: 'a\u0001b' }
      Object.assign(pair.counterpart, { kind: 'EchoText', tell })
      const wire = await pair.ask('EchoText', other.ask('EchoText', namedDoc('EchoText'), plainStyle))
      expect(() => other.answered('EchoText', wire)).toThrow(/has no|the root is/)
      expect(new TextDecoder().decode(wire.body)).toMatch(/fault/i)
      expect(new TextDecoder().decode(wire.body)).not.toContain('\u0001')
    })
  }
})

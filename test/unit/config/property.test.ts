// Whatever stands in the file, the answer is a config or a ConfigError, with places inside the file and without secrets.
import * as fc from 'fast-check'
import { stringify } from 'yaml'
import { expect, test } from 'vitest'
import { ConfigError } from '../../../config/load.ts'
import { load } from './fakes.ts'

const SECRET = 'hunter2-secret'
const ENV = { SECRET_TOKEN: SECRET, EMPTY: '' }

/** Loads and checks what must hold for every outcome. */
async function outcome(text: string | Uint8Array): Promise<void> {
  let error: unknown
  try {
    await load(text, { env: ENV })
    return
  } catch (thrown) {
    error = thrown
  }
  if (!(error instanceof ConfigError)) throw error
  expect(error.problems.length).toBeGreaterThan(0)
  expect(error.message).not.toContain(SECRET)
  const lines = new TextDecoder().decode(typeof text === 'string' ? Buffer.from(text) : text).split('\n')
  for (const { line, column } of error.problems) {
    expect(line).toBeGreaterThanOrEqual(1)
    expect(line).toBeLessThanOrEqual(lines.length)
    expect(column).toBeGreaterThanOrEqual(1)
    expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1)
  }
}

const BASE = `http: { host: 127.0.0.1, port: 8080 }
admin: { token: "\${SECRET_TOKEN}" }
channels:
  crm:
    adapter: soap
    path: /crm # a comment
    wsdl: &w ./crm.wsdl
    operations:
      Get: { kind: request, sender: "a.b", text: 'c' }
  wechat: { adapter: wechat, path: /w, appId: a, token: "\${SECRET_TOKEN}", secret: \${EMPTY:-x} }
backends:
  orders: { adapter: rest, url: *w, timeout: 2s, operations: { Get: { method: GET, safe: true } } }
agents: { desk: { adapter: desk } }
routes:
  - { when: "kind = 'request'", backend: orders, operation: Get }
  - { notify: desk, reply: "hello {{ data.name }}" }
`
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ' ',
  '\n',
  '"',
  "'",
  '${',
  '$${',
  '${NOPE}',
  '${SECRET_TOKEN}',
  '&a',
  '*a',
  '*w',
]
const more = [
  '- ',
  '? ',
  '|\n',
  '>',
  '!!int ',
  '!x ',
  '%',
  '---\n',
  '...\n',
  '<<: ',
  '\t',
  '#',
  '~',
  '0x1',
  '.nan',
  '{{',
]

test('a random text, with or without the characters YAML gives a meaning', async () => {
  const piece = fc.oneof(
    fc.constantFrom(...PIECES, ...more, 'http', 'channels', 'a', '1'),
    fc.string({ maxLength: 4 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async (pieces) => outcome(pieces.join(''))),
    { numRuns: 300 },
  )
})

test('random bytes', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), outcome), { numRuns: 100 })
})

test('a good file with a piece cut out, put in or moved', async () => {
  const edit = fc.record({
    at: fc.nat(BASE.length),
    cut: fc.nat(12),
    put: fc.oneof(fc.constantFrom('', ...PIECES, ...more), fc.string({ maxLength: 5 })),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      let text = BASE
      for (const { at, cut, put } of edits) text = text.slice(0, at) + put + text.slice(at + cut)
      await outcome(text)
    }),
    { numRuns: 400 },
  )
})

test('well-formed files with any value at any known key', async () => {
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom('rest', 'soap', 'desk', 'open', '1s', '1mb', '${NOPE}', '${EMPTY:-5}', '{{', 'kind = '),
    fc.double(),
  )
  const names =
    'http data plugins identity admin log store lanes channels backends agents routes adapter operations access keys tls ' +
    'breaker when agent constructor __proto__ toString customers jwks retention a token 1'
  const name = fc.constantFrom(...names.split(' '), '')
  const { tree } = fc.letrec<{ tree: unknown; map: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      value,
      tie('map'),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
    map: fc.dictionary(name, tie('tree'), { maxKeys: 5 }),
  }))
  const file = fc.dictionary(name, tree, { maxKeys: 6 })
  await fc.assert(
    fc.asyncProperty(file, async (root) => outcome(stringify(root, { aliasDuplicateObjects: false }))),
    { numRuns: 300 },
  )
})

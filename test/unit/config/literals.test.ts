// A variable inside JSONata: in a literal its value stays text, whatever it holds.
import * as fc from 'fast-check'
import jsonata from 'jsonata'
import { expect, test } from 'vitest'
import rest from '../../../adapters/rest/index.ts'
import { escaped } from '../../../config/interpolate.ts'
import { known, load, problemsOf } from './fakes.ts'

const adapters = new Map([...known, ['rest', rest]])

const yaml = (header: string): string => `
backends:
  b:
    adapter: rest
    url: http://b.example
    operations: { A: { method: GET, headers: { authorization: ${header} } } }
`

/** What the header's expression comes to. */
async function sent(header: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const { backends } = await load(yaml(header), { env, adapters })
  const config = backends['b']?.config as {
    readonly operations: { readonly A: { readonly headers: { readonly authorization: string } } }
  } // the adapter's own schema has made it
  return jsonata(config.operations.A.headers.authorization).evaluate({ $message: { id: 'code' }, n: 1 })
}

test.each([
  ['a backslash', 'pa\\tss\\\\wrd\\'],
  ['quotes', `it's "x"`],
  ['what would be code', `x' & "y" & $string(1) & 'z`],
  ['a line', 'a\nb\u0000'],
])('a value with %s is itself in a literal', async (_what, value) => {
  expect(await sent(`"'Bearer ' & '\${TOK}'"`, { TOK: value })).toBe(`Bearer ${value}`)
  expect(await sent(`'"Bearer \${TOK}" & "!"'`, { TOK: value })).toBe(`Bearer ${value}!`)
  expect(await sent(`"{ 'a\${TOK}': 1 } ~> $keys()"`, { TOK: value })).toBe(`a${value}`)
})

test('any value is itself in a literal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), async (value) => {
      for (const quote of [`'`, `"`])
        expect(await jsonata(`${quote}${escaped(value)}${quote}`).evaluate({})).toBe(value)
    }),
  )
})

test('a value outside of literals is part of the expression: a name, a number, a whole expression', async () => {
  expect(await sent('${WHOLE}', { WHOLE: `'Bearer ' & "a\\tb"` })).toBe('Bearer a\tb')
  expect(await sent(`"'no ' & \${NAME} & ' \${TOK}'"`, { NAME: 'n', TOK: `it's` })).toBe(`no 1 it's`)
  expect(await sent(`"$replace('a/b', /\${WHAT}/, '\${TOK}')"`, { WHAT: '\\/', TOK: '"' })).toBe('a"b')
})

test.each([
  ['an operator', `"n \${OP} 1 ? 'a\${TOK}' : 'b'"`, { OP: '=' }, String.raw`ax\y'"`],
  ['the rest of the expression', `"'\${TOK}'\${REST}"`, { REST: ` & 'z'` }, String.raw`x\y'"z`],
  [
    'two such, one before it',
    `"\${A}\${B}'\${TOK}'\${REST}"`,
    { A: "'a'", B: ' & ', REST: " & 'z'" },
    String.raw`ax\y'"z`,
  ],
  ['an operator and a second value', `"'\${TOK}' \${OP} '\${TOK}'"`, { OP: '&' }, String.raw`x\y'"x\y'"`],
  ['a comment', `"/* it's \${C} */ '\${TOK}'"`, { C: "o'clock" }, String.raw`x\y'"`],
])('a value in a literal is itself beside a variable that is %s', async (_what, header, env, value) => {
  expect(await sent(header, { TOK: String.raw`x\y'"`, ...env })).toBe(value)
})

test('values that are halves of a literal are put together as they are', async () => {
  expect(await sent('"${A}${B}"', { A: "'x", B: "y'" })).toBe('xy')
})

test("the same holds for the core's own keys, and between the braces of a reply", async () => {
  const { routes } = await load(
    `
channels: { web: { adapter: rest } }
agents: { d: { adapter: desk } }
routes:
  - { when: "sender.id = '\${NAME}' and text = \\"\${NAME}\\"", agent: d }
  - { when: "kind = 'event'", reply: "\${NAME} {{ 'is \${NAME}' }}" }
`,
    { env: { NAME: `O'Neil}} "x` } },
  )
  const [first, second] = routes
  expect(
    await jsonata(first?.when ?? '').evaluate({ sender: { id: `O'Neil}} "x` }, text: `O'Neil}} "x` }),
  ).toBe(true)
  expect(JSON.stringify(second)).toContain(`O'Neil}} \\"x {{ 'is O`)
})

test('what is stronger than the file stays so', async () => {
  const options = { env: { A: `it's` }, overrides: { data: '/elsewhere' } }
  expect((await load('data: "${A}"', options)).dataDirectory).toBe('/elsewhere')
})

test('elsewhere nothing is escaped, and a message shows no value of a secret', async () => {
  const { backends, secrets } = await load(`backends: { b: { adapter: soap, wsdl: "x'\\\\\${A}" } }`, {
    env: { A: `'"` },
  })
  expect(secrets).toEqual([])
  expect((await load(yaml(`"'\${TOKEN}'"`), { env: { TOKEN: `it's-hidden` }, adapters })).secrets).toContain(
    'it\\u0027s-hidden',
  )
  expect(backends['b']?.config).toMatchObject({ wsdl: `x'\\'"` })
  const problems = await problemsOf(yaml(`"'Bearer ' & & '\${TOKEN}'"`), {
    env: { TOKEN: `it's-hidden` },
    adapters,
  })
  expect(problems).toHaveLength(1)
  expect(problems.join('')).not.toMatch(/hidden|u0027/u)
})

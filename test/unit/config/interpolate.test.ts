// Variables are hidden from the YAML parser and put in afterwards.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { interpolate, mask, unmask } from '../../../config/interpolate.ts'
import { load, problemsOf } from './fakes.ts'

function filled(text: string, env: Readonly<Record<string, string>>): string {
  const masked = mask(text)
  return interpolate(masked.text, masked.variables, env).text
}

/** What the file's `publicUrl`-free text place yields: a channel's `path`, which the fake adapter hands through. */
async function tokenOf(yaml: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const config = await load(`channels: { w: { adapter: wechat, path: /w, appId: a, token: ${yaml} } }`, {
    env,
  })
  return config.channels['w']?.config
}

test('a variable yields its value, its default where it is unset or empty, and itself where it is escaped', () => {
  expect(filled('${A}', { A: 'x' })).toBe('x')
  expect(filled('${A:-d}', {})).toBe('d')
  expect(filled('${A:-d}', { A: '' })).toBe('d')
  expect(filled('${A}', { A: '' })).toBe('')
  expect(filled('${A:-}', {})).toBe('')
  expect(filled('http://${H}:${P:-80}/$x', { H: 'h' })).toBe('http://h:80/$x')
  expect(filled('$${A} ${A}', { A: 'x' })).toBe('${A} x')
  expect(filled('$${ "a": b } ${A}', { A: '$${' })).toBe('${ "a": b } $${')
})

test('names of Object.prototype are no variables of the environment', () => {
  const masked = mask('${constructor}')
  expect(interpolate(masked.text, masked.variables, {}).unset).toEqual(['constructor'])
})

test('hiding keeps every position, and can be undone', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '${A}',
      '${B:-x, y: "z" #}',
      '$${C}',
      '${',
      '}',
      '$',
      '\n',
      '${D:-${E}}',
      '${LONG_NAME:-}',
    ),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join('')
      const masked = mask(text)
      expect(masked.text).toHaveLength(text.length)
      expect(unmask(masked.text, masked.variables)).toBe(text)
    }),
  )
})

test('more variables than one digit can count keep their order', () => {
  const text = Array.from({ length: 5000 }, (_, index) => `\${V${index}}`).join(' ')
  const env = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`V${index}`, `v${index}`]))
  expect(filled(text, env)).toBe(Array.from({ length: 5000 }, (_, index) => `v${index}`).join(' '))
})

test('a plain scalar in a flow mapping may hold a variable, though YAML 1.2.2 §7.3.3 allows no braces there', async () => {
  expect(await tokenOf('${T:-}', {})).toMatchObject({ token: '' })
  expect(await tokenOf('${T:-a, b: {c} #d}', {}).catch(String)).toContain('not valid YAML')
  expect(await tokenOf('${T:-a, b: [c] #d}', {})).toMatchObject({ token: 'a, b: [c] #d' })
})

test('no value of the environment changes the structure of the file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('${T}', '"${T}"', "'${T}'"),
      async (value, yaml) => {
        expect(await tokenOf(yaml, { T: value })).toEqual({ path: '/w', appId: 'a', token: value })
      },
    ),
    {
      numRuns: 50,
      examples: [
        ['x }, y: { adapter: rest', '${T}'],
        ['"\n\\', '"${T}"'],
        ['${T}', '${T}'],
      ],
    },
  )
})

test('a variable that is not set is reported where it stands, once, and with every other problem', async () => {
  expect(await problemsOf('admin:\n  token: ${NOPE}\nhttp: { port: ${PORT}, bodyLimt: 1mb }\n')).toEqual([
    '2:10: admin.token: the environment variable NOPE is not set: set it, or write ${NOPE:-default}',
    '3:15: http.port: the environment variable PORT is not set: set it, or write ${PORT:-default}',
    '3:24: http: unknown key "bodyLimt" (did you mean "bodyLimit"?)',
  ])
})

test('a variable in a comment is none', async () => {
  expect(await problemsOf('# ${NOPE}\nlog: { level: info } # ${NOPE}\n')).toEqual([])
})

test('what only looks like a variable is reported, not passed on', async () => {
  const message =
    'a variable is written ${NAME} or ${NAME:-default}, and the default holds no second one; $${ stands for a plain ${'
  expect(await problemsOf('admin:\n  token: "x-${A-B}"\n')).toEqual([`2:13: admin.token: ${message}`])
  expect(await problemsOf('admin:\n  token: "${A:-${B}}"\n', { env: { B: 'b' } })).toEqual([
    `2:11: admin.token: ${message}`,
  ])
  expect(await problemsOf('admin: { token: "$${{" }\n')).toEqual([])
})

test('a key takes no variable', async () => {
  expect(await problemsOf('log:\n  ${KEY:-level}: info\n')).toEqual([
    '2:3: log: a key must be a plain text without variables',
  ])
})

test('an unquoted variable is a number or a boolean where the schema wants one, and a text where it wants a text', async () => {
  const text =
    'http: { port: ${P} }\nchannels: { w: { adapter: wechat, path: /w, appId: ${N}, token: t }, m: { adapter: mqtt, port: ${N} } }\n' +
    'backends: { o: { adapter: soap, wsdl: x, operations: { A: { safe: ${B} } } } }'
  const config = await load(text, { env: { N: '1883', P: '8080', B: 'true' } })
  expect(config.http.port).toBe(8080)
  expect(config.channels['w']?.config).toMatchObject({ appId: '1883' })
  expect(config.channels['m']?.config).toEqual({ port: 1883 })
  expect(config.backends['o']?.operations['A']).toEqual({ safe: true })
})

test('a quoted variable, and one that is no number, stay a text', async () => {
  const wanted = 'invalid input: expected number, received string'
  expect(await problemsOf('http: { port: "${N}" }', { env: { N: '80' } })).toEqual([
    `1:15: http.port: "\${N}": ${wanted}`,
  ])
  for (const N of ['0x50', '007', '1e3', 'eighty', ' 80', '12345678901234567890'])
    expect(await problemsOf('http: { port: ${N} }', { env: { N } }), N).toEqual([
      `1:15: http.port: "\${N}": ${wanted}`,
    ])
})

test('the characters that hide variables are refused in the file', async () => {
  expect(await problemsOf('admin:\n  token: "\uF8F0\uE000\uE000\uF8F1"\n')).toEqual([
    '2:11: the characters U+F8F0 to U+F8F2 are reserved',
  ])
})

// Bad input to a webservice path: each dialect refuses in its own words and status, nothing is stored, nothing breaks.
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { around, bomb } from './hostile-bodies.ts'
import {
  BODY_LIMIT,
  ERP,
  XML_TYPE,
  expectAlive,
  expectNoLeak,
  expectUntouched,
  send,
  startWorld,
  stateOf,
} from './hostile-world.ts'
import type { Answer, Headers, State, World } from './hostile-world.ts'

let world: World
let before: State
beforeAll(async () => {
  world = await startWorld()
  before = await stateOf(world)
})
afterAll(() => world[Symbol.asyncDispose]())

async function ask(
  body: string | Uint8Array,
  headers: Headers,
  { path = ERP, method = 'POST' } = {},
): Promise<Answer> {
  const answer = await send(world.gateway, { method, path, headers, body })
  expectNoLeak(world, answer)
  expect(answer.ms).toBeLessThan(1500)
  return answer
}

const pox = (text: string): string => `<GetOrder><orderNo>${text}</orderNo></GetOrder>`
const call = (text: string): string =>
  `<methodCall><methodName>GetOrder</methodName><params><param><value>${text}</value></param></params></methodCall>`
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

describe('refused, and nothing is touched:', () => {
  afterEach(() => expectUntouched(world, before))

  test.each<readonly [string, string | Uint8Array, Headers, number]>([
    ['a truncated document', pox('1').slice(0, -8), XML_TYPE, 400],
    ['no document', '', XML_TYPE, 400],
    ['what is not XML', 'hello=world', XML_TYPE, 400],
    [
      'a DOCTYPE',
      `<!DOCTYPE GetOrder [<!ENTITY x SYSTEM "file:///etc/passwd">]>${pox('&x;')}`,
      XML_TYPE,
      400,
    ],
    ['an entity nobody declared', pox('&x;'), XML_TYPE, 400],
    ['NUL', pox('&#0;'), XML_TYPE, 400],
    ['bytes that are no UTF-8', around([0xff], pox), XML_TYPE, 400],
    [
      'bytes that are no GB18030',
      around([0xff, 0xff], pox),
      { 'content-type': 'text/xml; charset=gb18030' },
      400,
    ],
    ['a charset that is none', pox('1'), { 'content-type': 'text/xml; charset=nope' }, 400],
    ['5,000 levels', '<a>'.repeat(5000) + '</a>'.repeat(5000), XML_TYPE, 400],
    ['an operation that is not offered', '<__proto__/>', XML_TYPE, 404],
    [
      'a message without its sender',
      '<SubmitTicket><description>x</description></SubmitTicket>',
      XML_TYPE,
      400,
    ],
  ])('plain XML with %s', async (_, body, headers, status) => {
    const answer = await ask(body, headers)
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status })
    expect(answer.body).toMatch(/<fault><code>[A-Z_]+<\/code><message>[^<]+<\/message><retryable>false</u)
  })

  test.each<readonly [string, string, number]>([
    ['no method', '<methodCall/>', -32600],
    ['a method that is not offered', call('').replace('GetOrder', 'constructor'), -32601],
    ['a value of no type', call('<toString>1</toString>'), -32602],
    ['an integer that is none', call('<int>0x10</int>'), -32602],
    ['a boolean that is none', call('<boolean>yes</boolean>'), -32602],
    [
      '300 levels',
      call(`${'<array><data><value>'.repeat(100)}${'</value></data></array>'.repeat(100)}`),
      -32700,
    ],
  ])('XML-RPC with %s', async (_, body, code) => {
    const answer = await ask(body, XML_TYPE)
    expect(answer.status).toBe(200)
    const faultCode = /<name>faultCode<\/name>\s*<value><int>(-?\d+)</u.exec(answer.body)?.[1]
    expect({ faultCode, body: answer.body }).toMatchObject({ faultCode: String(code) })
  })

  test.each<readonly [string, string, string, string, number]>([
    ['an operation that is not offered', 'GET', `${ERP}/__proto__?a=b`, '', 500],
    ['a field without its sender', 'POST', `${ERP}/SubmitTicket`, 'description=x', 500],
    ['no GB18030', 'GET', `${ERP}/SubmitTicket?customerId=%ff%ff&description=x`, '', 500],
  ])('ASMX with %s', async (_, method, path, body, status) => {
    const answer = await ask(body, FORM, { method, path })
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status })
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/u)
  })

  test.each<readonly [string, string | Uint8Array, Headers, number]>([
    ['a body above the limit', pox('x'.repeat(BODY_LIMIT)), XML_TYPE, 413],
    ['a gzip bomb', bomb, { ...XML_TYPE, 'content-encoding': 'gzip' }, 413],
    ['broken gzip', 'not gzip', { ...XML_TYPE, 'content-encoding': 'gzip' }, 400],
    ['a media type of no dialect', '{}', { 'content-type': 'application/json' }, 415],
  ])('%s, in any dialect', async (_, body, headers, status) => {
    expect((await ask(body, headers)).status).toBe(status)
  })
})

const seeds = fc.constantFrom(
  pox('a &amp; b'),
  call('<struct><member><name>orderNo</name><value><i4>1</i4></value></member></struct>'),
  'orderNo=%B6%A9&__proto__=1&constructor=2',
)
const wounds = fc.array(
  fc.record({
    at: fc.nat({ max: 120 }),
    out: fc.nat({ max: 10 }),
    into: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc
        .constantFrom(
          '<',
          '>',
          '&',
          '"',
          ']]>',
          '<!--',
          '<?x ?>',
          '<!DOCTYPE a>',
          '%',
          '%00',
          '=',
          '__proto__',
          '\ufeff',
        )
        .map((text) => Buffer.from(text)),
    ),
  }),
  { maxLength: 3 },
)

test('whatever is damaged, the answer is the result or a refusal, never a mistake of the gateway', async () => {
  const types = fc.constantFrom(
    'text/xml',
    'text/xml; charset=gbk',
    'application/xml',
    FORM['content-type'],
    'text/plain',
    '',
  )
  const paths = fc.constantFrom(ERP, `${ERP}/GetOrder`, `${ERP}/__proto__`, `${ERP}/GetOrder?orderNo=%ff`)
  await fc.assert(
    fc.asyncProperty(seeds, wounds, types, paths, async (seed, several, type, path) => {
      let bytes: Buffer = Buffer.from(seed)
      for (const { at, out, into } of several)
        bytes = Buffer.concat([bytes.subarray(0, at), into, bytes.subarray(at + out)])
      const answer = await ask(bytes, type === '' ? {} : { 'content-type': type }, { path })
      expect(answer.status).toSatisfy((status: number) => status >= 200 && status <= 500)
      expect(answer.body).not.toMatch(/INTERNAL|-32603|the gateway made a mistake/u)
    }),
    { numRuns: 400 * Number(process.env['RUNS'] ?? 1) },
  )
  await expectAlive(world)
})

// Attacks on a SOAP path (entities, DTDs, malformed XML, wrong envelopes, illegal values): each has the answer its rule asks for.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { cases } from '../fixtures/interop/attacks.mjs'
import type { Attack } from '../fixtures/interop/attacks.mjs'
import { expectAlive, expectNoLeak, faultOf, send, startWorld, stateOf } from './hostile-world.ts'
import type { Answer, World } from './hostile-world.ts'

/** What a document that reaches out would reach. */
const fetched: string[] = []
const trap = createServer((request, response) => {
  fetched.push(request.url ?? '')
  response.end('trapped')
})

let world: World
beforeAll(async () => {
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  world = await startWorld()
})
afterAll(async () => {
  trap.close()
  await world[Symbol.asyncDispose]()
})
afterEach(() => expectAlive(world))

/** Where the attacks expect the trap. */
const TRAP = '127.0.0.1:8198'

function bodyOf({ body }: Attack): Buffer {
  const { port } = trap.address() as AddressInfo // it listens on TCP
  const bytes = typeof body === 'function' ? body() : (body ?? Buffer.alloc(0))
  return bytes.includes(TRAP) ? Buffer.from(bytes.toString().replaceAll(TRAP, `127.0.0.1:${port}`)) : bytes
}

test('there are attacks', () => {
  expect(cases.length).toBe(70)
})

for (const attack of cases) {
  const rule = attack.rule === undefined ? '' : ` (${attack.rule})`
  test(`${attack.id} ${attack.title}${rule}`, async () => {
    const before = await stateOf(world)
    const { method = 'POST', headers, expect: wanted } = attack
    const answer = await send(world.gateway, { method, path: '/orders', headers, body: bodyOf(attack) })
    const fault = faultOf(answer)
    expect(problemsOf(attack, answer), answer.body).toEqual([])
    expect(answer.ms).toBeLessThan(wanted.maxMs ?? 1500)
    expect(fetched).toEqual([])
    expectNoLeak(world, answer)
    // Refused before anything happens; a business fault (V03) comes from behind.
    if (fault !== undefined && fault.code !== 'Server') expect(await stateOf(world)).toEqual(before)
  })
}

/** Why an answer is not what the attack's rule asks for. */
function problemsOf({ expect: wanted }: Attack, answer: Answer): readonly string[] {
  const { status, body } = answer
  const fault = faultOf(answer)
  const isFault = (code: string | undefined): boolean =>
    fault !== undefined && code !== undefined && [code, CALLER[code]].includes(fault.code)
  const done = status === 200 && fault === undefined && body.includes(':Envelope')
  const early = fault === undefined && [400, 405, 413, 415, 431].includes(status) // before the envelope was read
  const right =
    ((wanted.ok ?? wanted.orOk) === true && done) ||
    (wanted.fault === 'Client' && early) ||
    (isFault(wanted.fault) && (wanted.status ?? [400, 500]).includes(status)) ||
    (isFault(wanted.orFault) && status >= 400) ||
    (wanted.fault === undefined && wanted.ok === undefined && (wanted.status ?? []).includes(status))
  const is12 = /^\s*(?:<\?xml[^>]*>\s*)?<\w+:Envelope[^>]*2003\/05/u.test(body)
  return [
    ...(right ? [] : [`${status} ${fault?.code ?? 'no fault'}`]),
    ...(fault !== undefined && status < 400 ? [`a fault with ${status}`] : []),
    ...(fault !== undefined && (fault.version === '1.2') !== is12 ? ['a fault of the other version'] : []),
    ...(wanted.version === 12 && done && !is12 ? ['an answer of the other version'] : []),
    ...(wanted.has !== undefined && (done || wanted.ok === undefined) && !body.includes(wanted.has)
      ? [`it lacks ${wanted.has}`]
      : []),
    ...(wanted.never ?? []).filter((text) => body.includes(text)).map((text) => `it has ${text}`),
  ]
}

/** The caller's fault is called otherwise in SOAP 1.2. */
const CALLER: Readonly<Record<string, string>> = { Client: 'Sender', Server: 'Receiver' }

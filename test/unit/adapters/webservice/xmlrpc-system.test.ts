import { describe, expect, test } from 'vitest'
import type { Draft, Reply } from 'dragoman'
import { GatewayError } from 'dragoman'
import { fixtures, serve } from './service.ts'
import { call, result } from './xmlrpc-calls.ts'

describe('introspection', () => {
  const operations = { 'orders.get': { kind: 'request' }, Try: { kind: 'request' } } as const
  const config = {
    schema: new URL('asmx-types.xsd', fixtures).pathname,
    parameters: { Try: ['flag', 'size', 'when', 'ids'], 'orders.get': ['no'] },
    help: { 'orders.get': 'One order by its number.' },
  }

  test('lists, explains and describes methods', async () => {
    await using running = await serve({ operations, config })
    const ask = async (method: string, ...values: string[]): Promise<unknown> =>
      result(await running.post(call(method, ...values)))
    expect(await ask('system.listMethods')).toEqual([
      'Try',
      'orders.get',
      'system.listMethods',
      'system.methodHelp',
      'system.methodSignature',
      'system.multicall',
    ])
    expect(await ask('system.methodHelp', 'orders.get')).toBe('One order by its number.')
    expect(await ask('system.methodHelp', 'Try')).toBe('')
    expect(await ask('system.methodSignature', 'Try')).toEqual([
      ['string', 'boolean', 'double', 'dateTime.iso8601', 'array'],
    ])
    expect(await ask('system.methodSignature', 'orders.get')).toBe('undef')
    expect(await ask('system.methodSignature', 'system.multicall')).toEqual([['array', 'array']])
    expect(await ask('system.methodHelp', 'nope')).toMatchObject({ fault: [-32601, expect.anything()] })
    expect(await ask('system.methodHelp')).toMatchObject({ fault: [-32602, expect.anything()] })
    expect(running.host.drafts).toHaveLength(0)
  })
})

describe('system.multicall', () => {
  function entry(method: string, ...values: readonly string[]): string {
    const params = values.map((value) => `<value>${value}</value>`).join('')
    return `<value><struct><member><name>methodName</name><value>${method}</value></member><member><name>params</name><value><array><data>${params}</data></array></value></member></struct></value>`
  }
  const many = (entries: readonly string[]): string =>
    call('system.multicall', `<array><data>${entries.join('')}</data></array>`)

  function behind({ type, data }: Draft): Partial<Reply> | GatewayError {
    if (type === 'fail') return { fault: { code: '4', message: 'no' } }
    if (type === 'nul') return { data: '\u0000' }
    return type === 'rest' ? new GatewayError('BREAKER_OPEN', 'it rests') : { data: data ?? null }
  }

  test('with answers that are stale says so in HTTP, with the age of the oldest (RFC 9211)', async () => {
    const asOf = { old: '2026-01-01T00:00:00Z', older: '2025-12-31T23:59:00Z' }
    await using running = await serve({
      scope: { now: () => Date.parse(asOf.old) + 5000 },
      reply: ({ type }: Draft) =>
        type === 'old' || type === 'older' ? { data: 'x', stale: true, asOf: asOf[type] } : { data: 'x' },
    })
    const mixed = await running.post(many([entry('fresh'), entry('old'), entry('older'), entry('fresh')]))
    expect(result(mixed)).toEqual([['x'], ['x'], ['x'], ['x']])
    expect(mixed.headers).toMatchObject({ age: '65', 'cache-status': 'dragoman; hit; detail=stale' })
    expect((await running.post(many([entry('fresh')]))).headers).not.toHaveProperty('age')
  })

  test('gives each call its own result or fault, in order', async () => {
    await using running = await serve({ reply: behind })
    const answer = result(
      await running.post(
        many([
          entry('echo', '<i8>1</i8>'),
          entry('fail'),
          entry('rest'),
          entry('nul'),
          entry('system.multicall'),
          '<value>no call</value>',
          entry('system.methodHelp', 'system.listMethods'),
          entry('echo', 'last'),
        ]),
        { 'idempotency-key': 'k' },
      ),
    )
    expect(answer).toEqual([
      [{ params: ['1'] }],
      { faultCode: 4, faultString: 'no' },
      { faultCode: -32030, faultString: 'BREAKER_OPEN: it rests' },
      { faultCode: -32023, faultString: expect.stringContaining('ENCODE_FAILED') as string },
      { faultCode: -32602, faultString: expect.anything() as string },
      { faultCode: -32602, faultString: expect.anything() as string },
      ['The names of all methods.'],
      [{ params: ['last'] }],
    ])
    expect(running.host.drafts.map(({ type, externalId }) => [type, externalId])).toEqual([
      ['echo', 'k#0'],
      ['fail', 'k#1'],
      ['rest', 'k#2'],
      ['nul', 'k#3'],
      ['echo', 'k#7'],
    ])
  })

  test('has a limit, and takes nothing but one array', async () => {
    await using running = await serve({ config: { maxCalls: 2 } })
    const three = many([entry('echo'), entry('echo'), entry('echo')])
    expect(result(await running.post(three))).toMatchObject({
      fault: [-32602, expect.stringContaining('3 calls')],
    })
    expect(result(await running.post(call('system.multicall')))).toMatchObject({
      fault: [-32602, expect.anything()],
    })
    expect(result(await running.post(many([])))).toEqual([])
    expect(running.host.drafts).toHaveLength(0)
  })
})

// A SOAP backend whose WSDL is at a URL: it may come later, hang, or never come.
import { readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { GatewayError } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import { call, open, signal, ticketAnswer, wire, xml } from './caller.ts'
import { fixtures } from './corpus.ts'
import { files } from './service.ts'

describe('a WSDL from a URL', () => {
  const text = readFileSync(new URL('wsdl/orders.wsdl', fixtures), 'utf8').replaceAll(
    '__ENDPOINT__',
    'http://orders.example',
  )
  const url = 'http://orders.example/orders?wsdl'

  test('gives the address, and the operations once it is there', async () => {
    const { fetch, sent } = wire(({ url: asked }) => (asked === url ? xml(text) : xml(ticketAnswer())))
    await using backend = await open({ wsdl: url }, { fetch })
    expect(Object.keys(backend.operations)).toContain('CreateOrder')
    await call(backend, 'WhoAmI', {})
    expect(sent.at(-1)?.url).toBe('http://orders.example/orders')
  })

  test('may come later: the gateway starts before its business system', async () => {
    let up = false
    let now = 0
    const { fetch, sent } = wire(({ url: asked }) =>
      up ? (asked === url ? xml(text) : xml(ticketAnswer())) : xml('', 503),
    )
    await using backend = await open({ wsdl: url }, { fetch, now: () => now })
    expect(Object.keys(backend.operations)).toEqual(['*'])
    await expect(call(backend, 'WhoAmI', {})).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      notExecuted: true,
    })
    expect(sent).toHaveLength(1) // not asked again within the pause
    up = true
    now += 2000
    await expect(call(backend, 'WhoAmI', {})).resolves.toEqual({ data: { user: 'x' } })
    expect(Object.keys(backend.operations)).toContain('WhoAmI')
  })

  test('that never comes keeps nothing from starting, and no call waits beyond its end as if it had been sent (SEMANTICS 3)', async () => {
    const timeouts: AbortController[] = []
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
      const made = new AbortController()
      timeouts.push(made)
      return made.signal
    })
    onTestFinished(() => timeout.mockRestore())
    /** The first is the fetch's own, the others those of who waits for it. */
    const expire = (): void => timeouts.splice(0)[0]?.abort(new DOMException('too late', 'TimeoutError'))
    let hangs = true
    let now = 0
    const { fetch, sent } = wire(({ url: asked }) => {
      if (asked !== url) return xml(ticketAnswer())
      return hangs ? new Promise<Response>(() => {}) : xml(text)
    })
    const opening = open({ wsdl: url }, { fetch, now: () => now })
    await vi.waitFor(() => expect(sent).toHaveLength(1))
    expire()
    await using backend = await opening
    now += 2000
    const ended = new AbortController()
    const message = testMessage({ kind: 'request', type: 'WhoAmI', data: {} })
    const calling = { operation: 'WhoAmI', params: {}, message, key: 'k', attempt: 1 }
    const waiting = [backend.call(calling, ended.signal), backend.call(calling, signal)]
    await vi.waitFor(() => expect(sent).toHaveLength(2))
    ended.abort(new GatewayError('DEADLINE_EXCEEDED', 'no answer'))
    const unsent = { code: 'BACKEND_FAILED', notExecuted: true }
    await expect(waiting[0]).rejects.toMatchObject(unsent)
    hangs = false
    expire()
    await expect(waiting[1]).rejects.toMatchObject(unsent)
    now += 2000
    await expect(call(backend, 'WhoAmI', {})).resolves.toEqual({ data: { user: 'x' } })
  })

  test('may lack an operation that the config names: that ends no start, and is told as soon as it is known', async () => {
    let up = false
    let now = 0
    const warned: string[] = []
    const { fetch } = wire(({ url: asked }) =>
      up ? (asked === url ? xml(text) : xml(ticketAnswer())) : xml('', 503),
    )
    const options = {
      fetch,
      now: () => now,
      named: ['WhoAmY'],
      warned: (told: string) => void warned.push(told),
    }
    await using backend = await open({ wsdl: url }, options)
    expect(warned).toHaveLength(1) // that it cannot be had yet
    up = true
    now += 2000
    await call(backend, 'WhoAmI', {})
    expect(warned.slice(1)).toEqual([
      'backend "test": the WSDL has no operation "WhoAmY" (did you mean "WhoAmI"?)',
    ])
  })

  test('from a file must be there, with the operations that the config names', async () => {
    const folder = await files({ 'orders.wsdl': text })
    await using _backend = await open({ wsdl: `${folder}/orders.wsdl` }, { named: ['WhoAmI'] })
    await expect(open({ wsdl: `${folder}/orders.wsdl` }, { named: ['WhoAmY'] })).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      message: 'the WSDL has no operation "WhoAmY" (did you mean "WhoAmI"?)',
      detail: { at: ['operations', 'WhoAmY'] },
    })
    await expect(open({ wsdl: '/no/such.wsdl' })).rejects.toThrow(/no\/such\.wsdl/u)
  })
})

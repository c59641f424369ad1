import { expect, test } from 'vitest'
import { running } from './raw-client.ts'

test.each([1, 256, 16 * 1024, 16 * 1024 + 1, 100_000])(
  'an answer of %i bytes arrives byte for byte, whatever they are and wherever they lie in their buffer',
  async (length) => {
    const buffer = Uint8Array.from({ length: length + 20 }, (_, at) => at % 256)
    const body = buffer.subarray(13, 13 + length)
    await using edge = await running({
      handler: async () => ({ status: 200, headers: { 'x-a': 'b' }, body }),
    })
    const answer = await fetch(edge.origin)
    expect(answer.headers.get('content-length')).toBe(String(length))
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(Uint8Array.from(body))
  },
)

test('a caller who goes while his answer waits for the end of the turn takes nobody else with him', async () => {
  const arrived = Promise.withResolvers<AbortSignal>()
  const go = Promise.withResolvers<void>()
  await using edge = await running({
    handler: async ({ path }, signal) => {
      if (path !== '/gone') return { status: 200, body: 'here' }
      arrived.resolve(signal)
      await go.promise
      return { status: 200, body: 'too late' }
    },
  })
  const gone = new AbortController()
  const asked = fetch(`${edge.origin}/gone`, { signal: gone.signal })
  const signal = await arrived.promise
  const closed = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  gone.abort()
  await expect(asked).rejects.toThrow('aborted')
  await closed
  go.resolve()
  expect(await (await fetch(`${edge.origin}/stays`)).text()).toBe('here')
})

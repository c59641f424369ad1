// Files of an answer that lie at an address: fetched and uploaded before the push, and nothing is sent where that fails.
import type { Part } from 'dragoman'
import { expect, test, vi } from 'vitest'
import { never, reply, trial } from './platform.ts'
import type { Trial } from './platform.ts'

const SEND = '/cgi-bin/message/custom/send'
const UPLOAD = '/cgi-bin/media/upload'

/** A picture at an address; any file will do: another simulator serves one under it. */
async function pictureAt(other: Trial): Promise<Part> {
  const uploaded = await other.platform.call('uploadMedia', { type: 'image', content: 'AAEC' }, 'k', never)
  const { media_id: id } = uploaded.data as { media_id: string } // the simulator's own answer
  const url = `${other.api.base}/cgi-bin/media/get?media_id=${id}`
  return { kind: 'image', text: 'photo', media: { url } }
}

test('a picture at an address is fetched, uploaded and sent, and uploaded once for many', async () => {
  await using t = await trial()
  await using other = await trial()
  t.api.contact('oAnn')
  const part = await pictureAt(other)
  for (const key of ['k1', 'k2'])
    expect(await t.platform.send(reply([part]), key, never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map(({ type }) => type)).toEqual(['image', 'image'])
  expect(t.api.asked.filter(({ path }) => path === UPLOAD)).toHaveLength(1)
})

test('a picture that could not be fetched or uploaded proves that nothing was sent (SEMANTICS 6)', async () => {
  await using t = await trial()
  await using other = await trial()
  t.api.contact('oAnn')
  const part = await pictureAt(other)
  const again = { status: 'refused', retry: true, reason: expect.stringContaining('the image to send') }
  other.api.fail('/cgi-bin/media/get', { cutBefore: true })
  expect(await t.platform.send(reply([part]), 'k1', never)).toMatchObject(again)
  for (const fault of [{ cutBefore: true }, { cutAfter: true }, { status: 502 }, { errcode: -1 }]) {
    t.api.fail(UPLOAD, fault)
    expect(await t.platform.send(reply([part]), 'k1', never)).toMatchObject(again)
  }
  expect(await t.platform.send(reply([part]), 'k1', never)).toEqual({ status: 'sent' })
  expect(t.api.delivered).toHaveLength(1)
})

test('fetching and uploading end before the core gives the push up, as nothing sent', async () => {
  const timeout = AbortSignal.timeout.bind(AbortSignal)
  const faster = vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout(ms / 50))
  using _ = { [Symbol.dispose]: () => faster.mockRestore() }
  await using t = await trial()
  await using other = await trial()
  t.api.contact('oAnn')
  const part = await pictureAt(other)
  other.api.fail('/cgi-bin/media/get', { delayMs: 180 }) // 9 s
  t.api.fail(UPLOAD, { delayMs: 180 })
  expect(await t.platform.send(reply([part]), 'k1', never)).toMatchObject({ status: 'refused', retry: true })
  expect(t.api.asked.filter(({ path }) => path === SEND)).toEqual([])
})

// The simulated platform behaves as the real one: five seconds, three tries to the letter, and only status 200 counts.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { push } from '../../../../../bin/demo/simulator/pushes.ts'
import { account } from '../../../../support/wechat/simulator.ts'
import { independentCipher } from '../../../../support/wechat/codec.ts'

interface Callee extends AsyncDisposable {
  readonly url: string
  readonly seen: { readonly url: string; readonly body: string }[]
}

/** Answers each try as told; after the last one as the last one. Status 0: never. */
async function callee(...answers: readonly (readonly [status: number, body: string])[]): Promise<Callee> {
  const seen: { url: string; body: string }[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const [status, body] = answers[Math.min(seen.length, answers.length - 1)] ?? [500, '']
      seen.push({ url: request.url ?? '', body: Buffer.concat(pieces).toString() })
      if (status !== 0) response.writeHead(status).end(body)
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}/wechat`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

const { token, encodingAESKey, appId: receiveId } = account
const cipher = independentCipher({ token, encodingAESKey, receiveId })
const TEXT = '<MsgType>text</MsgType><Content>hi</Content><MsgId>1</MsgId>'
const say = ({ url }: Callee, more: object = {}) =>
  push(TEXT, { token, toUser: 'gh_1', fromUser: 'oAnn', cipher, url: () => url, ...more })

test.each([201, 202, 204, 302, 403, 500, 503])(
  'status %i is a failure: three tries, equal to the letter',
  async (status) => {
    await using on = await callee([status, ''])
    const pushed = await say(on)
    expect(pushed).toMatchObject({ gaveUp: true, tries: [{ status }, { status }, { status }] })
    expect(new Set(on.seen.map((one) => JSON.stringify(one))).size).toBe(1)
    expect(on.seen).toHaveLength(3)
  },
)

test('a silent one is cut off and tried again, and what the third try says counts', async () => {
  await using on = await callee([0, ''], [500, ''], [200, 'success'])
  const pushed = await say(on, { cutOffMs: 100 })
  expect(pushed).toMatchObject({ gaveUp: false, tries: [{ status: 0 }, { status: 500 }, { status: 200 }] })
  expect(pushed).not.toHaveProperty('reply')
  expect(pushed.tries[0]?.ms).toBeGreaterThanOrEqual(95)
})

test('a reply that is not encrypted, has another’s signature or is for somebody else is thrown away', async () => {
  const reply = (to: string) =>
    `<xml><ToUserName><![CDATA[${to}]]></ToUserName><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[yes]]></Content></xml>`
  const closed = (to: string, signature?: string): string => {
    const encrypted = cipher.encrypt(reply(to))
    return `<xml><Encrypt><![CDATA[${encrypted}]]></Encrypt><MsgSignature><![CDATA[${signature ?? cipher.sign('1', 'n', encrypted)}]]></MsgSignature><TimeStamp>1</TimeStamp><Nonce><![CDATA[n]]></Nonce></xml>`
  }
  for (const [body, why] of [
    [reply('oAnn'), 'not encrypted'],
    [closed('oAnn', 'f00'), 'signature'],
    [closed('oBob'), 'not to oAnn'],
  ] as const) {
    await using on = await callee([200, body])
    await expect(say(on), why).rejects.toThrow(why)
  }
  await using on = await callee([200, closed('oAnn')])
  expect((await say(on)).reply).toMatchObject({ type: 'text', text: 'yes' })
})

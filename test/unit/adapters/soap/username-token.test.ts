import { describe, expect, test } from 'vitest'
import { testScope } from 'dragoman/testing'
import { channelConfig } from '../../../../adapters/soap/config.ts'
import { readEnvelope, type Envelope } from '../../../../adapters/soap/envelope.ts'
import { channelGuard, type Guard } from '../../../../adapters/soap/security.ts'
import { usernameToken } from '../../../../adapters/soap/username-token.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { element } from '../../../../adapters/xml/tree.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { captures } from './corpus.ts'
import { envelope } from './service.ts'

const wsse = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'
/** When the captures were taken. */
const then = Date.parse('2026-11-21T08:31:46Z')

async function guard(security: object, now = then, id = 'test'): Promise<Guard> {
  const config = channelConfig.parse({ path: '/x', security }).security
  if (config === undefined) throw new Error('no security')
  return channelGuard(config, testScope({ id, now: () => now }))
}

/** zeep sent one as text, the other as digest. */
const alice = {
  users: [
    { user: 'alice', password: 'pässw<rd' },
    { user: 'alice', password: 'secret' },
  ],
}

/** The requests zeep sent: password text, password digest, WS-Addressing alone. */
function captured(index: number): Envelope {
  const body = captures('extras-wsse-wsa-11')[index]?.request.body
  return readEnvelope(readXmlText(new TextDecoder().decode(body)))
}

function made(parts: Parameters<typeof usernameToken>[0]): Envelope {
  const empty = readXmlText(envelope('<a/>', { header: '<h/>' }))
  const security = element(wsse, 'Security', [], [usernameToken(parts)])
  return { ...readEnvelope(empty), headers: [security] }
}

/** The second, with what the first says once only. */
function withNonceOf(first: Envelope, second: Envelope): Envelope {
  const textOf = ({ headers, root }: Envelope): string => writeXmlText(headers[0] ?? root)
  const nonce = /Nonce[^>]*>([^<]*)/u.exec(textOf(first))?.[1] ?? ''
  const again = textOf(second).replace(/(Nonce[^>]*>)[^<]*/u, (_all, tag: string) => tag + nonce)
  return { ...second, headers: [readXmlText(again)] }
}

function withoutTime(token: Envelope): Envelope {
  const text = writeXmlText(token.headers[0] ?? token.root)
  return { ...token, headers: [readXmlText(text.replace(/<([^<]*)Created[^]*?Created>/u, ''))] }
}

describe('a UsernameToken (Profile 1.1)', () => {
  test.each([0, 1])('that zeep sent (%i) names its user', async (index) => {
    await expect((await guard(alice)).check(captured(index))).resolves.toEqual({
      role: 'program',
      id: 'alice',
    })
  })

  test('of another password or an unknown user is refused in the same words', async () => {
    const wrong = await guard({ users: [{ user: 'alice', password: 'other' }] })
    const unknown = await guard({ users: [{ user: 'bob', password: 'pässw<rd' }] })
    for (const index of [0, 1]) {
      const messages = await Promise.all(
        [wrong, unknown].map((one) => one.check(captured(index)).catch((error: unknown) => String(error))),
      )
      expect(messages[0]).toBe(messages[1])
      expect(messages[0]).toMatch(/could not be authenticated/u)
    }
  })

  test('digest is good for once: its nonce is remembered (§4)', async () => {
    const once = await guard(alice)
    await once.check(captured(1))
    await expect(once.check(captured(1))).rejects.toMatchObject({
      subcode: { local: 'FailedAuthentication' },
    })
  })

  test('that one channel has taken is good at no other of the process, whatever that one remembers itself (§3.1)', async () => {
    const open = (id: string, security: object = alice): Promise<Guard> => guard(security, then, id)
    const [erp, crm] = [await open('erp'), await open('crm')]
    const token = made({ user: 'alice', password: 'secret', passwordType: 'digest', now: then })
    await erp.check(token)
    await expect(crm.check(token)).rejects.toMatchObject({ subcode: { local: 'FailedAuthentication' } })
    const next = made({ user: 'alice', password: 'secret', passwordType: 'digest', now: then })
    await expect(crm.check(next)).resolves.toEqual({ role: 'program', id: 'alice' })
    // Another Alice, known to that channel alone, is not kept out by this one's nonce.
    const shop = await open('shop', { users: [{ user: 'alice', password: 'other' }] })
    const same = { user: 'alice', password: 'other', passwordType: 'text', now: then } as const
    const [mine, hers] = [made({ ...same, password: 'secret' }), made(same)]
    await erp.check(mine)
    await expect(shop.check(withNonceOf(mine, hers))).resolves.toEqual({ role: 'program', id: 'alice' })
    // Once it is good no more nothing is remembered of it: a client whose tokens have no time may use its nonce again.
    const bare = withoutTime(made({ ...same, password: 'secret' }))
    await erp.check(bare)
    const later = (afterMs: number): Promise<Guard> => guard(alice, then + afterMs, 'crm')
    await expect((await later(60_000)).check(bare)).rejects.toMatchObject({ code: 'caller' })
    await expect((await later(3_600_000)).check(bare)).resolves.toEqual({ role: 'program', id: 'alice' })
  })

  test.each([
    ['with a space in it', (nonce: string) => `${nonce.slice(0, 4)} ${nonce.slice(4)}`],
    ['without its padding', (nonce: string) => nonce.replace(/=+$/u, '')],
    ['in the alphabet of URLs', (nonce: string) => nonce.replaceAll('+', '-').replaceAll('/', '_')],
    ['with what base64 does not have', (nonce: string) => `*${nonce}`],
  ])('whose nonce is written %s is the same token again', async (_what, change) => {
    const once = await guard({ users: [{ user: 'a', password: 'b' }] })
    const token = made({ user: 'a', password: 'b', passwordType: 'digest', now: then })
    await once.check(token)
    const text = writeXmlText(token.headers[0] ?? token.root)
    const again = text.replace(
      /(Nonce[^>]*>)([^<]*)/u,
      (_all, tag: string, nonce: string) => tag + change(nonce),
    )
    await expect(once.check({ ...token, headers: [readXmlText(again)] })).rejects.toMatchObject({
      subcode: { local: 'FailedAuthentication' },
    })
  })

  test('is remembered for as long as it is good, also one from a clock that is ahead', async () => {
    let now = then
    const config = channelConfig.parse({ path: '/x', security: { ...alice, maxAge: '5s' } }).security
    if (config === undefined) throw new Error('no security')
    const scope = testScope({ now: () => now })
    const once = await channelGuard(config, scope)
    const token = made({ user: 'alice', password: 'secret', passwordType: 'digest', now: then + 59_000 })
    await once.check(token)
    now = then + 60_000
    await expect(once.check(token)).rejects.toMatchObject({ subcode: { local: 'FailedAuthentication' } })
  })

  test('two that arrive at once are not both taken', async () => {
    const once = await guard(alice)
    const results = await Promise.allSettled([once.check(captured(1)), once.check(captured(1))])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  test('that is old or from the future is refused', async () => {
    for (const off of [6 * 60_000, -2 * 60_000])
      await expect((await guard(alice, then + off)).check(captured(1))).rejects.toMatchObject({
        subcode: { local: 'MessageExpired' },
      })
  })

  test('in the form the channel does not want is refused', async () => {
    await expect(
      (await guard({ ...alice, passwordType: 'digest' })).check(captured(0)),
    ).rejects.toMatchObject({ code: 'caller' })
    await expect((await guard({ ...alice, passwordType: 'text' })).check(captured(1))).rejects.toMatchObject({
      code: 'caller',
    })
  })

  test('is demanded where users are configured', async () => {
    await expect((await guard(alice)).check(captured(2))).rejects.toMatchObject({
      subcode: { local: 'InvalidSecurity' },
    })
  })

  test.each(['text', 'digest'] as const)('of ours (%s) is what we accept', async (passwordType) => {
    const token = made({ user: 'alice', password: 'pässw<rd', passwordType, now: then })
    await expect((await guard(alice)).check(token)).resolves.toEqual({ role: 'program', id: 'alice' })
  })
})

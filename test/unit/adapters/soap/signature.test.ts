import { readFileSync } from 'node:fs'
import { WSSecurityCert } from 'soap'
import { describe, expect, test } from 'vitest'
import { testScope } from 'dragoman/testing'
import { canonicalize, canonicalizeInclusive } from '../../../../adapters/soap/c14n.ts'
import { backendConfig, channelConfig } from '../../../../adapters/soap/config.ts'
import { packEnvelope, readEnvelope, type Envelope } from '../../../../adapters/soap/envelope.ts'
import { backendGuard, channelGuard } from '../../../../adapters/soap/security.ts'
import { wsse } from '../../../../adapters/soap/wsse.ts'
import { readXml, readXmlText } from '../../../../adapters/xml/read.ts'
import { childElements, type XmlElement } from '../../../../adapters/xml/tree.ts'
import { fixtures } from './corpus.ts'
import { envelope, getTicket } from './service.ts'

const key = (name: string): string => new URL(`keys/${name}`, fixtures).pathname
const pem = (name: string): string => readFileSync(key(name), 'utf8')
/** The keys of the fixtures begin in November 2026. */
const now = Date.parse('2027-01-01T12:00:00Z')
const scope = testScope({ now: () => now })

async function channel(security: object) {
  const config = channelConfig.parse({ path: '/x', security }).security
  if (config === undefined) throw new Error('no security')
  return channelGuard(config, scope)
}

async function signedByUs(name: string): Promise<string> {
  const config = backendConfig.parse({
    wsdl: 'x',
    security: { sign: { keyFile: key(`${name}.key`), certFile: key(`${name}.pem`) } },
  }).security
  if (config === undefined) throw new Error('no security')
  const sealer = await backendGuard(config, scope)
  const { bytes } = packEnvelope(readXmlText(envelope(getTicket('  <&>\u00e9 '.replace(/[<&>]/gu, '')))), {
    version: '1.1',
    sealer,
  })
  return new TextDecoder().decode(bytes)
}

const opened = (text: string): Envelope => readEnvelope(readXml(new TextEncoder().encode(text)).root)

describe('exclusive canonicalization', () => {
  test('writes what the example of the specification says (Exclusive XML Canonicalization 1.0 §2.2)', () => {
    const inner = (text: string) => {
      const first = readXmlText(text).children.find((child) => typeof child !== 'string')
      if (first === undefined || typeof first === 'string') throw new Error('no element')
      return canonicalize(first)
    }
    const wanted =
      '<n1:elem2 xmlns:n1="http://example.net" xml:lang="en">\n    <n3:stuff xmlns:n3="ftp://example.org"></n3:stuff>\n  </n1:elem2>'
    const body =
      '<n1:elem2 xmlns:n1="http://example.net" xml:lang="en">\n    <n3:stuff xmlns:n3="ftp://example.org"/>\n  </n1:elem2>'
    expect(inner(`<n0:pdu xmlns:n0='http://a.example'>\n  ${body}\n</n0:pdu>`)).toBe(wanted)
    expect(
      inner(
        `<n2:pdu xmlns:n1='http://example.com' xmlns:n2='http://foo.example' xml:lang='fr'>${body}</n2:pdu>`,
      ),
    ).toBe(wanted)
  })

  test('sorts by expanded name, escapes, drops unused declarations and keeps xmlns="" (Canonical XML 1.0 §2.3)', () => {
    const text =
      '<a xmlns="urn:d" xmlns:u="urn:unused" xmlns:b="urn:b" b:z="1" a="&quot;&#9;&#10;&lt;" b:a=\'2\'><c xmlns=""/><![CDATA[<&>]]>&#13;</a>'
    expect(canonicalize(readXmlText(text))).toBe(
      '<a xmlns="urn:d" xmlns:b="urn:b" a="&quot;&#x9;&#xA;&lt;" b:a="2" b:z="1"><c xmlns=""></c>&lt;&amp;&gt;&#xD;</a>',
    )
    expect(canonicalize(readXmlText('<a xmlns:v="urn:v"><b/></a>'), { inclusive: ['v', 'w'] })).toBe(
      '<a xmlns:v="urn:v"><b></b></a>',
    )
  })
})

describe('inclusive canonicalization (Canonical XML 1.0)', () => {
  const first = (parent: XmlElement): XmlElement => {
    const [found] = childElements(parent)
    if (found === undefined) throw new Error('no element')
    return found
  }

  test('brings every declaration in scope and the nearest xml: attributes along (§2.3, §2.4)', () => {
    const root = readXmlText(
      '<a xmlns="urn:d" xmlns:u="urn:unused" xml:lang="de" xml:space="preserve"><b xml:lang="fr" xmlns:u="urn:other"><c z="1" a="2"/></b></a>',
    )
    expect(canonicalizeInclusive(first(first(root)), { root })).toBe(
      '<c xmlns="urn:d" xmlns:u="urn:other" a="2" z="1" xml:lang="fr" xml:space="preserve"></c>',
    )
  })

  test('repeats no declaration, and takes the default one back with xmlns="" (§2.3)', () => {
    const root = readXmlText(
      '<a xmlns="urn:d" xmlns:u="urn:u"><b xmlns:u="urn:u"/><c xmlns=""><d xmlns=""/></c><e xmlns:u="urn:v"><f xmlns:u="urn:v"/></e></a>',
    )
    expect(canonicalizeInclusive(root, { root })).toBe(
      '<a xmlns="urn:d" xmlns:u="urn:u"><b></b><c xmlns=""><d></d></c><e xmlns:u="urn:v"><f></f></e></a>',
    )
  })

  test('of many elements with declarations of their own grows with their number', () => {
    const run = (count: number): number => {
      const declared = Array.from({ length: 100 }, (_, at) => `xmlns:p${at}="urn:${at}"`).join(' ')
      const inner = Array.from({ length: count }, (_, at) => `<b xmlns:q="urn:${at}"/>`).join('')
      const root = readXmlText(`<a ${declared}>${inner}</a>`)
      const begun = process.cpuUsage()
      canonicalizeInclusive(root, { root })
      return process.cpuUsage(begun).user
    }
    run(2000)
    expect(run(20_000)).toBeLessThan(10 * 10 * Math.max(run(2000), 1000))
  })
})

describe('a signature (X.509 Token Profile 1.1)', () => {
  test('made by node-soap is verified, and names its signer', async () => {
    const made = new WSSecurityCert(pem('erp.key'), pem('erp.pem'), '', {
      signatureTransformations: ['http://www.w3.org/2001/10/xml-exc-c14n#'],
    })
    const header = '<s:Header></s:Header>'
    const text = made.postProcess(envelope(getTicket()).replace('<s:Body>', `${header}<s:Body>`), 's')
    // node-soap takes the time of the machine
    const guard = await channelGuard(
      { passwordType: 'any', sha1: false, timestamp: 'optional', maxAge: 1e12, trust: [key('ca.pem')] },
      testScope(),
    )
    await expect(guard.check(opened(text))).resolves.toEqual({ role: 'program', id: 'erp' })
  })

  test.each(['erp', 'curve'])('of ours with an %s key is verified', async (name) => {
    const guard = await channel({ trust: [key(`${name}.pem`)], timestamp: 'required' })
    await expect(guard.check(opened(await signedByUs(name)))).resolves.toEqual({ role: 'program', id: name })
  })

  test('by a certificate nobody trusts is refused', async () => {
    const guard = await channel({ trust: [key('ca.pem')] })
    await expect(guard.check(opened(await signedByUs('stranger')))).rejects.toMatchObject({
      code: 'caller',
      subcode: { local: 'FailedAuthentication' },
    })
  })

  test('of an authority that is only a leaf is not one of an authority', async () => {
    const guard = await channel({ trust: [key('stranger.pem')] })
    await expect(guard.check(opened(await signedByUs('erp')))).rejects.toMatchObject({ code: 'caller' })
  })

  test.each([
    ['a changed Body', (text: string) => text.replace('ticketId>', 'ticketId>9')],
    ['a changed Timestamp', (text: string) => text.replace('2027-01-01T12:00', '2027-01-01T12:01')],
    ['a changed digest', (text: string) => text.replace(/DigestValue>./u, 'DigestValue>_')],
    ['a changed value', (text: string) => text.replace(/SignatureValue>..../u, 'SignatureValue>AAAA')],
    ['a Body that only looks signed', (text: string) => wrapped(text)],
    [
      'its Timestamp in another block',
      (text: string) => moved(text, `<x:Old xmlns:x="urn:x">${hole}</x:Old>`),
    ],
    ['its Timestamp as a block', (text: string) => moved(text, hole)],
    [
      'its Timestamp in a Security block that is not for us',
      (text: string) => moved(text, `<wsse:Security s:actor="urn:x">${hole}</wsse:Security>`),
    ],
    [
      'its Timestamp deeper in the Security block',
      (text: string) => text.replace(stamp, (whole) => `<x:Old xmlns:x="urn:x">${whole}</x:Old>`),
    ],
    [
      'two elements of one id',
      (text: string) =>
        text
          .replace('<s:Body', '<s:Body wsu:Id="body" ')
          .replace(/(<s:Body wsu:Id="body" ) wsu:Id="body"/u, '$1')
          .replace('<m:ticketId', '<m:ticketId wsu:Id="body"')
          .replace('<ns1:ticketId', '<ns1:ticketId wsu:Id="body"'),
    ],
    ['no signature', (text: string) => text.replace(/<ds:Signature>.*<\/ds:Signature>/su, '')],
    ['no Security', (text: string) => text.replace(/<s:Header>.*<\/s:Header>/su, '')],
  ])('is refused with %s', async (_what, change) => {
    const text = await signedByUs('erp')
    const changed = change(text)
    expect(changed).not.toBe(text)
    const guard = await channel({ trust: [key('ca.pem')] })
    await expect(guard.check(opened(changed))).rejects.toMatchObject({ code: 'caller' })
  })

  describe('over headers and a token too (made by node-soap)', () => {
    const blocks =
      '<wsa:MessageID xmlns:wsa="http://www.w3.org/2005/08/addressing">urn:uuid:1</wsa:MessageID><x:Rank xmlns:x="urn:x">low</x:Rank>'
    const token = (user: string): string =>
      `<wsse:UsernameToken><wsse:Username>${user}</wsse:Username><wsse:Password>secret</wsse:Password></wsse:UsernameToken>`
    const sign = (): string => {
      const made = new WSSecurityCert(pem('erp.key'), pem('erp.pem'), '', {
        additionalReferences: ['wsa:MessageID', 'x:Rank', 'wsse:UsernameToken'],
        appendElement: token('alice'),
        signatureTransformations: ['http://www.w3.org/2001/10/xml-exc-c14n#'],
      })
      return made.postProcess(envelope(getTicket(), { header: blocks }), 's')
    }
    const check = async (text: string) => {
      const users = ['alice', 'bob'].map((user) => ({ user, password: 'secret' }))
      const rules = { passwordType: 'any', sha1: false, timestamp: 'optional', maxAge: 1e12 } as const
      const guard = await channelGuard({ ...rules, users, trust: [key('ca.pem')] }, testScope())
      return guard.check(opened(text))
    }
    const away = (element: RegExp, rest = '') => {
      return (text: string): string => {
        const found = element.exec(text)?.[0] ?? ''
        return text
          .replace(found, rest)
          .replace(
            '</s:Header>',
            () => `<x:Old xmlns:x="urn:x" xmlns:wsse="${wsse}">${found}</x:Old></s:Header>`,
          )
      }
    }

    test('is verified', async () => {
      const text = sign()
      expect(text.match(/<(?:ds:)?Reference /gu)).toHaveLength(5)
      await expect(check(text)).resolves.toEqual({ role: 'program', id: 'alice' })
    })

    test.each([
      ['its MessageID taken away', away(/<wsa:MessageID.*<\/wsa:MessageID>/u)],
      [
        'its MessageID in the Security block',
        (text: string) => {
          const id = /<wsa:MessageID.*<\/wsa:MessageID>/u.exec(text)?.[0] ?? ''
          return text.replace(id, '').replace('</wsse:Security>', `${id}</wsse:Security>`)
        },
      ],
      ['a block of the business taken away', away(/<x:Rank.*<\/x:Rank>/u)],
      ['the token of another user', away(/<wsse:UsernameToken.*<\/wsse:UsernameToken>/u, token('bob'))],
    ])('is refused with %s', async (_what, change) => {
      const text = sign()
      const changed = change(text)
      expect(changed).not.toBe(text)
      await expect(check(changed)).rejects.toMatchObject({ subcode: { local: 'FailedCheck' } })
    })
  })

  test('that expired, or comes from the future, is refused', async () => {
    const text = await signedByUs('erp')
    const config = channelConfig.parse({ path: '/x', security: { trust: [key('ca.pem')] } }).security
    for (const off of [11 * 60_000, -2 * 60_000]) {
      if (config === undefined) throw new Error('no security')
      const guard = await channelGuard(config, testScope({ now: () => now + off }))
      await expect(guard.check(opened(text))).rejects.toMatchObject({ subcode: { local: 'MessageExpired' } })
    }
  })

  test('with a key that cannot be read is an error that names the file, when it is loaded', async () => {
    await expect(channel({ trust: [key('erp.key')] })).rejects.toMatchObject({
      message: expect.stringContaining('erp.key'),
    })
  })
})

const stamp = /<wsu:Timestamp.*<\/wsu:Timestamp>/su
const hole = '[the Timestamp]'

/** XML signature wrapping: the signed Timestamp is moved out of the Security block, into what is added to the Header. */
function moved(text: string, added: string): string {
  const found = stamp.exec(text)?.[0] ?? ''
  return text.replace(found, '').replace('</s:Header>', () => `${added.replace(hole, found)}</s:Header>`)
}

/** XML signature wrapping: the signed Body is moved into the Header, another one takes its place. */
function wrapped(text: string): string {
  const body = /<s:Body.*<\/s:Body>/su.exec(text)?.[0] ?? ''
  const forged = body.replace(/ wsu:Id="body"/u, '').replace('ticketId>', 'ticketId>666')
  return text
    .replace(body, forged)
    .replace('</s:Header>', `<x:Old xmlns:x="urn:x">${body}</x:Old></s:Header>`)
}

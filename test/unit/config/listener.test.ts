// What the file says of the listener: what a start would refuse is a problem of the file.
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError } from '../../../config/load.ts'
import { termNotice } from '../../../config/pem.ts'
import { expire, makeCertificate } from '../../support/certificate.ts'
import { load, problemsOf } from './fakes.ts'

let folder = ''
const file = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragoman-listener-'))
  for (const name of ['one', 'two']) {
    using made = makeCertificate()
    await copyFile(made.cert, file(`${name}.crt`))
    await copyFile(made.key, file(`${name}.key`))
  }
  await writeFile(file('text.pem'), 'no certificate')
  const damaged = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  await writeFile(file('damaged.pem'), `${await readFile(file('one.crt'), 'utf8')}${damaged}`)
  execFileSync('openssl', ['x509', '-in', file('one.crt'), '-outform', 'der', '-out', file('one.der')])
  const locked = ['ec', '-in', file('one.key'), '-aes128', '-passout', 'pass:x', '-out', file('locked.key')]
  execFileSync('openssl', locked, { stdio: 'ignore' })
})
afterAll(() => rm(folder, { recursive: true }))

const tls = (cert: string, key: string, ca?: string): string =>
  `http: { tls: { cert: ${file(cert)}, key: ${file(key)}${ca === undefined ? '' : `, ca: ${file(ca)}`} } }`

const problems = async (...names: Parameters<typeof tls>): Promise<readonly string[]> =>
  (await problemsOf(tls(...names))).map((each) => each.replace(/^[\d:]+ /u, '').replaceAll(`${folder}/`, ''))

test('http.tls: a file that is no PEM, is damaged or has a passphrase is a problem, each at its own key', async () => {
  expect(await problems('one.crt', 'one.key', 'two.crt')).toEqual([])
  expect(await problems('text.pem', 'text.pem', 'text.pem')).toEqual([
    expect.stringMatching(/^http\.tls\.cert: .* holds no certificate: a PEM file .* is needed$/u),
    expect.stringMatching(/^http\.tls\.key: .* holds no private key: a PEM file .* is needed$/u),
    expect.stringMatching(/^http\.tls\.ca: .* holds no certificate: a PEM file .* is needed$/u),
  ])
  expect(await problems('one.der', 'one.key', 'one.der')).toHaveLength(2)
  expect(await problems('damaged.pem', 'locked.key', 'damaged.pem')).toEqual([
    expect.stringMatching(/^http\.tls\.cert: .*certificate 2 in it is damaged$/u),
    expect.stringMatching(/^http\.tls\.key: .*damaged, or has a passphrase/u),
    expect.stringMatching(/^http\.tls\.ca: .*certificate 2 in it is damaged$/u),
  ])
})

test('http.tls: files joined without a line break between them are a problem that says where (RFC 7468 §3)', async () => {
  const text = async (name: string): Promise<string> => readFile(file(name), 'utf8')
  const one = (await text('one.crt')).trimEnd()
  await writeFile(file('joined.crt'), `${one}${await text('two.crt')}`)
  await writeFile(file('joined.key'), `${(await text('one.key')).trimEnd()}${await text('one.crt')}`)
  const at = `line ${one.split('\n').length}`
  const missing = `a line break is missing before "-----BEGIN CERTIFICATE-----" in ${at}`
  expect(await problems('joined.crt', 'one.key', 'joined.crt')).toEqual([
    `http.tls.cert: "joined.crt" cannot be used: ${missing}`,
    `http.tls.ca: "joined.crt" cannot be used: ${missing}`,
  ])
  expect(await problems('one.crt', 'joined.key')).toEqual([
    expect.stringMatching(
      /^http\.tls\.key: .* cannot be used: a line break is missing before .* in line 5$/u,
    ),
  ])
})

test('http.tls: a certificate that callers refuse, or will within 14 days, is a notice: a start takes it', async () => {
  const noticesOf = async (cert: string): Promise<readonly string[]> =>
    (await load(tls(cert, 'one.key'))).notices
  const ending =
    / http\.tls\.cert: ".*one\.crt" ends at \d{4}-\d\d-\d\dT[\d:.]+Z: callers refuse it from then on$/u
  expect(await noticesOf('one.crt')).toEqual([expect.stringMatching(ending)])
  await copyFile(file('one.crt'), file('over.crt'))
  expire({ cert: file('over.crt'), key: file('one.key') })
  expect(await noticesOf('over.crt')).toEqual([
    expect.stringMatching(/over\.crt" has been over since .*Z: callers refuse it$/u),
  ])
  execFileSync(
    'openssl',
    ['x509', '-in', file('one.crt'), '-signkey', file('one.key'), '-days', '15', '-out', file('long.crt')],
    { stdio: 'ignore' },
  )
  expect(await noticesOf('long.crt')).toEqual([])
  const cert = await readFile(file('one.crt'))
  const early = new X509Certificate(cert).validFromDate.getTime() - 1
  expect(termNotice(cert, early)).toMatch(/^is not valid before .*Z: until then callers refuse it$/u)
})

test('http.tls: a key that belongs to another certificate is a problem, and a change of either file may mend it', async () => {
  expect(await problems('one.crt', 'two.key')).toEqual([
    expect.stringMatching(/^http\.tls\.key: .*is the key of another certificate than that in "cert"$/u),
  ])
  await writeFile(
    file('chain.crt'),
    `${await readFile(file('two.crt'), 'utf8')}${await readFile(file('one.crt'), 'utf8')}`,
  )
  expect(await problems('chain.crt', 'one.key')).toEqual([
    expect.stringMatching(
      /^http\.tls\.cert: .*must begin with its own certificate: that of "key" is certificate 2 in it$/u,
    ),
  ])
  const refused: unknown = await load(tls('one.crt', 'two.key')).catch((error: unknown) => error)
  expect(refused instanceof ConfigError ? refused.files : []).toEqual(
    expect.arrayContaining([file('one.crt'), file('two.key')]),
  )
})

test('http.host: an IPv6 address with or without brackets, a name; nothing else', async () => {
  const host = async (text: string) => (await load(`http: { host: "${text}" }`)).http.host
  expect(await host('[::1]')).toBe('::1')
  expect(await host('::1')).toBe('::1')
  expect(await host('localhost')).toBe('localhost')
  for (const text of ['foo bar', ' 127.0.0.1', '[127.0.0.1]', '127.0.0.1:8080', 'http://a.b', 'a/b', '[::1'])
    expect(await problemsOf(`http: { host: "${text}" }\nidentity: { keys: { a: { key: k } } }`)).toEqual([
      expect.stringMatching(/^1:15: http\.host: .*it must be an address or a name, such as 127\.0\.0\.1/u),
    ])
})

test('http.publicUrl: host, port and path; what would be given out with it, or break what is appended, is a problem', async () => {
  const identity = 'identity: { keys: { a: { key: sixteen--letters } } }'
  const url = async (text: string) =>
    (await load(`http: { publicUrl: "${text}" }\n${identity}`)).http.publicUrl
  expect(await url('https://desk.example.com')).toBe('https://desk.example.com')
  expect(await url('HTTPS://desk.example.com:8443/gw/@x/')).toBe('HTTPS://desk.example.com:8443/gw/@x')
  const refused = [
    'https://u:p@a.b',
    'https://@a.b/',
    'https://a.b/gw/?q=1',
    'https://a.b/?',
    'https://a.b#f',
  ]
  for (const text of [...refused, 'https://a.b/g w'])
    expect(await problemsOf(`http: { publicUrl: "${text}" }`), text).toEqual([
      expect.stringMatching(/^1:20: http\.publicUrl: .*it must be host, port and path alone/u),
    ])
  expect((await problemsOf('http: { publicUrl: "https://u:hidden77@a.b" }')).join('')).not.toContain(
    'hidden77',
  )
})

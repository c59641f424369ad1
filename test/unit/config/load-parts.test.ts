// The parts of a whole file: who may call, files, components, overrides, plugins.
import { generateKeyPairSync } from 'node:crypto'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError, readConfig, resolveConfig } from '../../../config/load.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { known, load, problemsOf } from './fakes.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragoman-files-'))
  using own = makeCertificate()
  await copyFile(own.cert, join(folder, 'cert.pem'))
  await copyFile(own.key, join(folder, 'key.pem'))
  await copyFile(own.cert, join(folder, 'ca.pem'))
  const { publicKey } = generateKeyPairSync('ed25519')
  await writeFile(
    join(folder, 'keys.json'),
    JSON.stringify({ keys: [publicKey.export({ format: 'jwk' }), { kty: 'of-tomorrow' }] }),
  )
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

test('without identity only loopback is served, whatever the channels’ access says (DESIGN §16 "Callers")', async () => {
  const reach = (host: string, more = '') =>
    problemsOf(`http: { host: "${host}" }\nchannels: { web: { adapter: rest, access: open } }\n${more}`)
  const told = (host: string) => [
    `1:15: http.host: "${host}" can be reached from other machines, and nothing says who may call: add "identity" (customers, agents or keys), or listen on 127.0.0.1`,
  ]
  for (const host of ['127.0.0.1', '127.3.2.1', 'localhost', '::1', '[::1]'])
    expect(await reach(host), host).toEqual([])
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'desk.example.com', '127.0.0.1.example.com'])
    expect(await reach(host), host).toEqual(told(host))
  expect(await reach('0.0.0.0', 'identity: {}')).toEqual(told('0.0.0.0'))
  expect(await reach('0.0.0.0', 'identity: { keys: { erp: { key: a-key-of-sixteen-or-more } } }')).toEqual([])
})

test('without identity a proxy on this machine is nobody’s way in either: no publicUrl of another name, no trusted proxies', async () => {
  const problems = (http: string, more = '') => problemsOf(`http: { ${http} }\n${more}`)
  for (const url of [
    'http://localhost:8080',
    'https://127.0.0.1/gw',
    'http://[::1]:8080',
    'http://LOCALHOST',
  ])
    expect(await problems(`publicUrl: "${url}"`), url).toEqual([])
  expect(await problems('trustedProxies: []')).toEqual([])
  expect(await problems('publicUrl: "https://desk.example.com/gw"')).toEqual([
    '1:20: http.publicUrl: "https://desk.example.com/gw" is no address of this machine alone, and nothing says who may call: add "identity" (customers, agents or keys), or leave it out',
  ])
  expect(await problems('trustedProxies: [127.0.0.1, 10.0.0.0/8]')).toEqual([
    '1:25: http.trustedProxies: "127.0.0.1, 10.0.0.0/8" may bring callers of other machines, and nothing says who may call: add "identity" (customers, agents or keys), or leave it out',
  ])
  const both = 'publicUrl: "https://desk.example.com", trustedProxies: [127.0.0.1]'
  expect(await problems(both)).toHaveLength(1)
  expect(await problems(both, 'identity: { keys: { erp: { key: a-key-of-sixteen-or-more } } }')).toEqual([])
})

test('identity: a secret or a key set, keys of their own, channels that exist', async () => {
  const jwks = join(folder, 'keys.json')
  const config = await load(`
identity:
  customers: { jwks: ${jwks}, issuer: me, audience: [a, b] }
  agents: { jwks: https://id.example.com/keys }
  keys: { erp: { key: k1, channels: [web] } }
channels: { web: { adapter: rest } }
`)
  expect(config.identity).toEqual({
    customers: { jwks, issuer: 'me', audience: ['a', 'b'] },
    agents: { jwks: 'https://id.example.com/keys' },
    keys: { erp: { key: 'k1', channels: ['web'] } },
  })
  expect(
    await problemsOf(`
identity:
  customers: { issuer: me }
  agents: { secret: a, jwks: ./keys.json }
  keys: { "a b": { key: k2 } }
`),
  ).toEqual([
    '3:14: identity.customers: exactly one of "secret" and "jwks" is needed',
    '4:11: identity.agents: exactly one of "secret" and "jwks" is needed',
    '5:11: identity.keys["a b"]: a name has letters, digits, _ and -, at most 63',
  ])
  const [missing] = await problemsOf('identity: { customers: { jwks: ./none.json } }')
  expect(missing).toBe('1:32: identity.customers.jwks: "./none.json" cannot be read: there is no such file')
})

test.each([
  ['{"keys":[', 'is no key set'],
  ['[]', 'is no key set'],
  ['-----BEGIN PUBLIC KEY-----', 'is no key set'],
  ['{"keys":[]}', 'is a key set without keys'],
  ['{"keys":[{"kty":"oct","k":"YQ"},{"kty":"RSA","n":"AQAB"}]}', 'is a key set whose key 2 is no public key'],
])('a file with %s %s (RFC 7517)', async (content, message) => {
  const file = join(folder, 'wrong.json')
  await writeFile(file, content)
  expect(await problemsOf(`identity: { agents: { jwks: ${file} } }`)).toEqual([
    expect.stringMatching(`^1:29: identity\\.agents\\.jwks: ".*wrong\\.json" ${message}`),
  ])
})

test.each(['http://', 'https://u:pass@id.example.com/keys'])(
  '%s is no address of a key set',
  async (jwks) => {
    expect(await problemsOf(`identity: { customers: { jwks: "${jwks}" } }`)).toEqual([
      expect.stringMatching(
        /^1:32: identity\.customers\.jwks: ".*": it (?:is no address|must be without user)/u,
      ),
    ])
  },
)

test('two programs cannot share a key, and a channel named for one must exist', async () => {
  expect(
    await problemsOf(`
identity: { keys: { erp: { key: key-one, channels: [wbe] }, pos: { key: key-one } } }
channels: { web: { adapter: rest } }
`),
  ).toEqual([
    '2:53: identity.keys.erp.channels[0]: no channel is named "wbe" (did you mean "web"?)',
    '2:73: identity.keys.pos.key: it is the key of "erp" too',
  ])
})

test('files that the gateway opens itself are absolute and must be readable', async () => {
  const text = (name: string) => `
http: { tls: { cert: ${folder}/cert.pem, key: ${folder}/${name}, ca: ${folder}/ca.pem } }
backends: { o: { adapter: soap, wsdl: x, tls: { ca: ${folder}/${name}, serverName: o } } }
agents: { h: { adapter: webhook, url: "http://h", tls: { cert: ./c.pem, verify: false } } }
`
  const good = text('key.pem').replace('{ cert: ./c.pem, verify: false }', '{ verify: false }')
  const config = await load(good)
  expect(config.http.tls).toEqual({
    certFile: join(folder, 'cert.pem'),
    keyFile: join(folder, 'key.pem'),
    caFile: join(folder, 'ca.pem'),
  })
  expect(config.backends['o']?.tls).toEqual({ ca: join(folder, 'key.pem'), serverName: 'o', verify: true })
  expect(config.agents['h']?.tls).toEqual({ verify: false })
  const problems = await problemsOf(text('none.pem'))
  expect(problems.map((problem) => problem.replace(folder, ''))).toEqual([
    expect.stringMatching(/^2:\d+: http\.tls\.key: "\/none\.pem" cannot be read: there is no such file$/),
    expect.stringMatching(
      /^3:\d+: backends\.o\.tls\.ca: "\/none\.pem" cannot be read: there is no such file$/,
    ),
    '4:56: agents.h.tls: "cert" and "key" belong together',
  ])
})

test('texts of an adapter’s config that begin with ./ or ../ are relative to the file, at any depth', async () => {
  const wsdl = `../${basename(folder)}/./cert.pem`
  const config = await load(`channels:\n  c: { adapter: soap, path: /a/.b, wsdl: ${wsdl} }\n`)
  expect(config.channels['c']?.config).toEqual({ path: '/a/.b', wsdl: join(folder, 'cert.pem') })
})

test('a file that a component names must be there', async () => {
  const problems = await problemsOf(`
channels:
  c: { adapter: soap, path: /a, wsdl: ./nope.wsdl }
backends:
  b: { adapter: rest, url: "http://127.0.0.1:1", operations: { Get: { path: ../none.txt } } }
`)
  expect(problems).toEqual([
    expect.stringMatching(
      /^3:\d+: channels\.c\.wsdl: "\.\/nope\.wsdl" cannot be read: there is no such file$/,
    ),
    expect.stringMatching(/^5:\d+: backends\.b\.operations\.Get\.path: "\.\.\/none\.txt" cannot be read/),
  ])
})

test('two channels on one path, one on the gateway’s own, and one named as the app of a customer are refused', async () => {
  const soap = (path: string) => `{ adapter: soap, path: ${path}, wsdl: ./crm.wsdl }`
  const problems = await problemsOf(`
channels:
  a: ${soap('/services/crm')}
  b: ${soap('/services/crm/')}
  c: ${soap('/admin/v1/own')}
  d: ${soap('/metrics')}
  e: ${soap('/metricsystem')}
  link: { adapter: rest }
`)
  expect(problems.map((problem) => problem.replace(/^(\d+):\d+: /, '$1 '))).toEqual([
    '4 channels.b.path: /services/crm is the path of channel "a" already',
    "5 channels.c.path: /admin/v1/own is the gateway's own: choose another path",
    "6 channels.d.path: /metrics is the gateway's own: choose another path",
    expect.stringMatching(/^8 channels\.link: "link" stands for the app of a customer: choose another name/),
  ])
})

test('access, body limit and pushes in doubt of a channel; null operations are empty ones', async () => {
  const config = await load(`
channels:
  a: { adapter: rest, access: open, bodyLimit: 64kb, inDoubt: park, operations: { Get: , '王': { example: { a: [1] } } } }
  b: { adapter: rest, access: { from: [10.0.0.0/8, "::1"], basic: { user: u, password: p } } }
`)
  expect(config.channels['a']).toMatchObject({
    access: { open: true },
    bodyLimitBytes: 65_536,
    inDoubt: 'park',
    operations: { Get: { kind: 'request' }, 王: { kind: 'request', example: { a: [1] } } },
  })
  expect(config.channels['b']?.access).toEqual({
    from: ['10.0.0.0/8', '::1'],
    basic: { user: 'u', password: 'p' },
  })
})

test('a backend’s operations: the core’s keys are taken out, the adapter sees the rest or nothing', async () => {
  const config = await load(`
backends:
  r:
    adapter: rest
    url: http://r
    breaker: { errorRate: 20 }
    operations:
      Get: { method: GET, safe: true, timeout: 1s, breaker: { openFor: 1m } }
      '*': { path: "/{operation}", idempotent: true, public: true }
      Plain:
  s: { adapter: soap, wsdl: x, operations: { A: { safe: true } } }
`)
  expect(config.backends['r']?.config).toEqual({
    url: 'http://r',
    operations: { Get: { method: 'GET' }, '*': { path: '/{operation}' }, Plain: {} },
  })
  expect(config.backends['r']?.operations).toEqual({
    Get: {
      safe: true,
      timeoutMs: 1000,
      breaker: { errorRate: 20, minimumCalls: 10, windowMs: 10_000, openForMs: 60_000, slowRate: 50 },
    },
    '*': { idempotent: true, public: true },
    Plain: {},
  })
  expect(config.backends['s']?.config).toEqual({ wsdl: 'x' })
})

test('the hash changes with the content, not with the order, the writing or the name', async () => {
  const hash = async (entry: string) => (await load(`backends:\n  b: ${entry}\n`)).backends['b']?.hash
  const first = await hash('{ adapter: soap, wsdl: x, operations: { A: { safe: true }, B: } }')
  expect(await hash('{ operations: { B: , A: { "safe": true } }, wsdl: "x", adapter: soap }')).toBe(first)
  expect(await hash('{ adapter: soap, wsdl: ${W:-x}, operations: { A: { safe: true }, B: } }')).toBe(first)
  expect(await hash('{ adapter: soap, wsdl: x, operations: { A: { safe: false }, B: } }')).not.toBe(first)
  expect(await hash('{ adapter: soap, wsdl: y, operations: { A: { safe: true }, B: } }')).not.toBe(first)
})

test('overrides for one run are stronger than the file, also where it has no such key', async () => {
  const overrides = { data: join(folder, 'elsewhere'), port: 0, mqttPort: 0 }
  const bare = await load('', { overrides })
  expect([bare.http.port, bare.dataDirectory]).toEqual([0, join(folder, 'elsewhere')])
  const config = await load(
    'http: { port: 1, host: localhost }\ndata: x\nchannels:\n  far: { adapter: mqtt, url: "mqtt://h" }\n  near: { adapter: mqtt, port: 1 }\n  web: { adapter: rest }\n',
    { overrides },
  )
  expect(config.http).toMatchObject({ port: 0, host: 'localhost' })
  expect(config.channels['near']?.config).toEqual({ port: 0 })
  expect(config.channels['far']?.config).toEqual({ url: 'mqtt://h' })
  expect(await problemsOf('http: []', { overrides })).toEqual([
    '1:7: http: invalid input: expected object, received array',
  ])
})

test('plugins are a folder, or a folder and a list; the default lies beside the file', async () => {
  const read = async (text: string) => {
    const file = join(folder, 'p.yaml')
    await writeFile(file, text)
    return (await readConfig(file, { env: { D: 'd' } })).plugins
  }
  expect(await read('')).toEqual({ directory: join(folder, 'plugins') })
  expect(await read('plugins: ../${D}')).toEqual({ directory: join(folder, '../d') })
  expect(await read('plugins: { path: /p, allow: [a] }')).toEqual({ directory: '/p', allow: ['a'] })
  expect(await read('plugins: { allow: [] }')).toEqual({ directory: join(folder, 'plugins'), allow: [] })
})

test('nothing is said to be loaded from a folder that the file does not clearly name', async () => {
  for (const text of [
    'plugins: ${NOPE}',
    'plugins: a\nplugins: b',
    'plugins: 5',
    'plugins: { pth: a }',
    'plugins: ""',
  ]) {
    const file = join(folder, 'p.yaml')
    await writeFile(file, text)
    await expect(readConfig(file, { env: {} }), text).rejects.toBeInstanceOf(ConfigError)
  }
  await writeFile(join(folder, 'p.yaml'), 'htp: 1\nplugins: ok\n')
  const document = await readConfig(join(folder, 'p.yaml'), { env: {} })
  expect(document.plugins.directory).toBe(join(folder, 'ok'))
})

test('what belongs to later work is an unknown key today', async () => {
  const problems = await problemsOf(`
redis: x
backends: { o: { adapter: soap, wsdl: x, cache: {}, invalidates: [], onFailure: queue } }
agents: { h: { adapter: webhook, url: "http://h", overflow: x } }
routes: [{ agent: h, overflow: h }]
`)
  expect(problems).toHaveLength(6)
  for (const problem of problems) expect(problem).toContain('unknown key')
})

test('what people write at the top is told its place', async () => {
  expect(await problemsOf('host: x\nport: 1\ntls: {}\nredis: redis://h\n')).toEqual([
    '1:1: unknown key "host" (did you mean http: { host: … }?)',
    '2:1: unknown key "port" (did you mean http: { port: … }?)',
    '3:1: unknown key "tls" (did you mean http: { tls: … }?)',
    '4:1: unknown key "redis" (did you mean store: { url: redis://… }?)',
  ])
})

test('* stands for an operation of a backend, never of a channel (DESIGN §10)', async () => {
  const any = (section: string) =>
    `${section}: { web: { adapter: rest, url: "http://h", operations: { "*": {} } } }`
  expect(await problemsOf(any('backends'))).toEqual([])
  expect(
    await problemsOf('channels: { web: { adapter: rest, operations: { "*": { kind: event } } } }'),
  ).toEqual([
    '1:49: channels.web.operations["*"]: "*" stands for any operation of a backend; in a channel each has its name',
  ])
})

test('the hash changes with the content of a file that a component names, and the file is told', async () => {
  const file = join(folder, 'contract.wsdl')
  const text = 'channels: { crm: { adapter: soap, path: /crm, wsdl: ./contract.wsdl } }'
  const read = async (content: string) => {
    await writeFile(file, content)
    await writeFile(join(folder, 'gateway.yaml'), text)
    return resolveConfig(await readConfig(join(folder, 'gateway.yaml'), { env: {} }), known)
  }
  const [first, second, third] = [await read('one'), await read('two'), await read('one')]
  expect(first.files).toEqual([file])
  expect(second.channels['crm']?.hash).not.toBe(first.channels['crm']?.hash)
  expect(third.channels['crm']?.hash).toBe(first.channels['crm']?.hash)
})

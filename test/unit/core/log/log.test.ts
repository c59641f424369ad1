import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { OthersMistake } from '../../../../core/log/log-fields.ts'
import { type ChildOptions, createLog, type LogLevel } from '../../../../core/log/log.ts'
import { until } from '../../../support/gateway.ts'

function logging(level: LogLevel = 'info', secrets: readonly string[] = []) {
  let text = ''
  let time = 0
  const root = createLog({ level, secrets, write: (lines) => void (text += lines), now: () => time })
  return {
    root,
    child: (options?: ChildOptions) => root.child('part', options),
    pass: (ms: number) => void (time += ms),
    /** Each line, which must be one JSON object. */
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    raw: () => text,
  }
}

test('a line is one JSON object with level, time, component, message and fields', () => {
  const { child, lines } = logging()
  child().info('listening', { port: 8080, at: new Date(0), on: ['a'] })
  expect(lines()).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/u),
      component: 'part',
      msg: 'listening',
      port: 8080,
      at: '1970-01-01T00:00:00.000Z',
      on: ['a'],
    },
  ])
})

test('which of several processes speaks is in every line, in the same place', () => {
  let text = ''
  const root = createLog({
    level: 'info',
    fields: { instance: 'desk-1', worker: 2 },
    write: (lines) => void (text += lines),
  })
  root.child('part').info('listening', { worker: 'not this' })
  root.child('other').warn('full')
  const lines = text.split('\n', 2).map((line) => JSON.parse(line) as unknown)
  expect(lines).toMatchObject([
    { instance: 'desk-1', worker: 2, component: 'part', _worker: 'not this' },
    { instance: 'desk-1', worker: 2, component: 'other' },
  ])
})

test('levels below the configured one are left out', () => {
  const { child, lines } = logging('warn')
  const log = child()
  log.debug('a')
  log.info('b')
  log.warn('c')
  log.error('d')
  expect(lines().map((line) => line['level'])).toEqual(['warn', 'error'])
})

test('whatever is in a message, it stays one line and literal', () => {
  const { child, lines, raw } = logging()
  child().info('a\nb %s %d %%', { text: 'c\r\nd' })
  expect(raw().match(/\n/gu)).toHaveLength(1)
  expect(lines()).toMatchObject([{ msg: 'a\nb %s %d %%', text: 'c\r\nd' }])
})

test.each([
  'token',
  'secret',
  'password',
  'authorization',
  'key',
  'Authorization',
  'apiKey',
  'api_key',
  'accessToken',
  'client_secret',
  'Set-Cookie',
])('the value of a member named %s is never shown, at any depth', (name) => {
  const { child, raw } = logging()
  child().warn('x', { [name]: 'hidden-value', deep: [{ [name]: { inner: 'hidden-value' } }] })
  expect(raw()).not.toContain('hidden-value')
  expect(raw()).toContain('***')
})

test.each(['tokens', 'monkey', 'keys', 'secretary'])('a member named %s is shown', (name) => {
  const { child, lines } = logging()
  child().info('x', { [name]: 'shown' })
  expect(lines()).toMatchObject([{ [name]: 'shown' }])
})

test('nothing in a line turns a terminal about, and it is the same value to who parses it', () => {
  const { child, lines, raw } = logging()
  const client = 'c\u009B2J\u202E\u2028x'
  child().warn(`client ${client}`, { client })
  expect(raw()).toContain(String.raw`c\u009b2J\u202e\u2028x`)
  expect(raw()).not.toMatch(/[\u007F-\u009F\u2028-\u202E]/u)
  expect(lines()).toEqual([expect.objectContaining({ msg: `client ${client}`, client })])
})

test('configured secrets are taken out wherever they stand, and the line stays JSON', () => {
  const secret = 'pä"ss\\wörd'
  const { child, lines, raw } = logging('info', [secret, '123456', 'abc'])
  const cause = new Error(`cannot log in as ${secret}`)
  child().error(`GET /?p=${encodeURIComponent(secret)} failed`, {
    url: `https://u:${secret}@host`,
    quoted: JSON.stringify({ p: secret }),
    port: 123456,
    error: new GatewayError('BACKEND_FAILED', `no ${secret}`, { cause }),
    short: 'abc',
  })
  expect(raw()).not.toMatch(/wörd|w%C3%B6rd|123456/u)
  expect(lines()).toMatchObject([
    { msg: 'GET /?p=*** failed', url: 'https://u:***@host', port: '***', short: 'abc' },
  ])
})

test('after a reload the new secrets count', () => {
  const { child, root, lines } = logging('info', ['old-secret'])
  root.setSecrets(['new-secret'])
  child().info('old-secret new-secret')
  expect(lines()).toMatchObject([{ msg: 'old-secret ***' }])
})

test('an error shows its code, its message and the messages of all its causes; a stack only of a foreign one', () => {
  const { child, lines } = logging()
  const socket = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' })
  const expected = new GatewayError('BACKEND_FAILED', 'orders is away', {
    cause: new GatewayError('BACKEND_FAILED', 'inner', { cause: socket }),
  })
  const foreign = GatewayError.from(new TypeError('x is not a function'))
  child().error('a', { error: expected })
  child().error('b', { error: foreign })
  expect(lines()).toMatchObject([
    {
      error: {
        code: 'BACKEND_FAILED',
        message: 'orders is away',
        causes: ['BACKEND_FAILED: inner', 'ECONNREFUSED: connect refused'],
      },
    },
    {
      error: {
        code: 'INTERNAL',
        causes: ['x is not a function'],
        stack: expect.stringContaining('log.test.ts'),
      },
    },
  ])
  expect(lines()[0]?.['error']).not.toHaveProperty('stack')
})

test('a mistake of others is told as any error, but for the code that says the gateway made one', () => {
  const { child, lines } = logging()
  const cause = new GatewayError('INTERNAL', 'the path "nope" does not begin with /')
  const away = new GatewayError('BACKEND_FAILED', 'db away', { cause: new TypeError('x is not a function') })
  child().error('a', { error: new OthersMistake(new GatewayError('INTERNAL', 'not started', { cause })) })
  child().error('b', { error: new OthersMistake(new GatewayError('INTERNAL', 'no probe', { cause: away })) })
  child().error('c', { error: new OthersMistake(away) })
  child().error('d', { error: new OthersMistake('no error at all') })
  const causes = ['BACKEND_FAILED: db away', 'x is not a function']
  const stack = expect.stringContaining('log.test.ts')
  expect(lines().map(({ error }) => error)).toEqual([
    { message: 'not started', causes: ['the path "nope" does not begin with /'] },
    { message: 'no probe', causes, stack },
    { code: 'BACKEND_FAILED', message: 'db away', causes: causes.slice(1), stack },
    'no error at all',
  ])
})

test('hostile fields neither throw nor break nor flood the line', () => {
  const { child, lines, raw } = logging()
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  const selfCaused = new Error('round')
  selfCaused.cause = selfCaused
  const throwing = {
    get a(): string {
      throw new Error('getter')
    },
  }
  child().info('x', {
    level: 'fake',
    time: 0,
    component: 'fake',
    msg: 'fake',
    cycle,
    throwing,
    error: selfCaused,
    big: 'x'.repeat(100_000),
    many: Array.from({ length: 5000 }, (_, n) => n),
    bytes: new Uint8Array(10),
    bigint: 10n,
    fn: () => 1,
    symbol: Symbol('s'),
    nan: Number.NaN,
    none: undefined,
    nothing: null,
    polluting: JSON.parse('{"__proto__":{"a":1}}'),
    toJSON: () => {
      throw new Error('toJSON')
    },
  })
  expect(lines()).toMatchObject([
    {
      level: 'info',
      component: 'part',
      msg: 'x',
      _level: 'fake',
      _msg: 'fake',
      bytes: '<10 bytes>',
      bigint: '10',
      nan: 'NaN',
      nothing: null,
      throwing: { unreadable: 'getter' },
    },
  ])
  expect(raw().length).toBeLessThan(20_000)
  expect({}).not.toHaveProperty('a')
})

test('a component that talks too much is capped, and what is left out is counted and said', () => {
  const { child, pass, lines } = logging()
  const log = child({ linesPerSecond: 10 })
  for (let count = 0; count < 200; count += 1) log.info('again')
  expect(lines()).toHaveLength(50)
  pass(100)
  log.info('later')
  expect(lines().slice(50)).toMatchObject([{ level: 'warn', suppressed: 150 }, { msg: 'later' }])
})

test('lines below the level do not use up the cap', () => {
  const { child, lines } = logging('info')
  const log = child({ linesPerSecond: 1 })
  for (let count = 0; count < 100; count += 1) log.debug('quiet')
  log.info('heard')
  expect(lines()).toMatchObject([{ msg: 'heard' }])
})

const program = fileURLToPath(new URL('./log-child.ts', import.meta.url))

test.each([
  ['exit', 3],
  ['busy-exit', 3],
  ['throw', 1],
  ['reject', 1],
  ['end', 0],
])(
  'no line is lost when the process ends by %s, and all of them are on stderr, in order',
  async (how, code) => {
    const child = spawn(process.execPath, [program, how], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    })
    let stderr = ''
    let stdout = ''
    child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString()))
    child.stdout.on('data', (chunk: Buffer) => void (stdout += chunk.toString()))
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(code)
    const logged = stderr.split('\n').filter((line) => line.startsWith('{"level"'))
    const counted = logged.map((line) => (JSON.parse(line) as { n: number }).n) // as log-child writes them
    expect(counted).toEqual(Array.from({ length: 500 }, (_, n) => n))
    expect(stdout).toBe('')
  },
)

test('a reader that goes away does not end the process', async () => {
  const child = spawn(process.execPath, [program, 'broken-pipe'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.destroy()
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => void (stdout += chunk.toString()))
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
  expect(stdout).toBe('still here\n')
})

test('an orderly end does not hang on lines that nobody reads any more', async () => {
  const child = spawn(process.execPath, [program, 'broken-end'], { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr.destroy()
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(4)
})

test.each([
  ['exit', 3],
  ['throw', 1],
  ['end', 0],
  ['broken-end', 4],
])('a full disk under the log does not hold up the end of a process by %s', async (how, code) => {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [program, how], { stdio: ['ignore', 'ignore', full] })
  closeSync(full)
  expect(await ended(child)).toBe(code)
})

test('a full disk under the log does not stop the process, and what was lost is counted and said when there is room', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'log-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    await rm(folder, { recursive: true })
    return context.skip('no file system of its own can be mounted here')
  }
  let child: ChildProcess | undefined
  try {
    const filler = join(folder, 'filler')
    await writeFile(filler, Buffer.alloc(32 * 1024 * 1024)).catch(() => undefined)
    const file = openSync(join(folder, 'log'), 'a')
    child = spawn(process.execPath, [program, 'overflow'], { stdio: ['ignore', 'pipe', file] })
    closeSync(file)
    let said = ''
    child.stdout?.on('data', (chunk) => (said += String(chunk)))
    await until(() => said === 'still here\n' || undefined)
    await rm(filler)
    await until(async () => (await readFile(join(folder, 'log'), 'utf8')).includes('lost') || undefined)
    child.kill('SIGTERM')
    expect(await ended(child)).toBe(4)
    const lines = (await readFile(join(folder, 'log'), 'utf8')).trimEnd().split('\n')
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(told.filter(({ component }) => component === 'child')).toHaveLength(3)
    expect(told.at(-1)).toMatchObject({ level: 'warn', component: 'log', lost: 2 })
  } finally {
    child?.kill('SIGKILL')
    execFileSync('umount', ['-l', folder])
    await rm(folder, { recursive: true })
  }
})

async function ended(child: ChildProcess): Promise<number | null> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return code
}

// The plugins of one gateway over its reloads: who keeps a name, what a rename is, what a lock refuses.
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import type { PluginsOptions } from '../../../../core/plugins/plugins.ts'
import { standsInFor } from '../../../../core/plugins/stand-in.ts'
import { testMessage, testScope } from '../../../../core/testing.ts'
import { until } from '../../../support/gateway.ts'
import { versioned } from '../../../support/plugin-sources.ts'
import { recordingLog } from '../http/recording-log.ts'

async function opened(
  files: Readonly<Record<string, string>>,
  options: Pick<PluginsOptions, 'onAgain'> = {},
): Promise<{ root: string; plugins: Plugins }> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'plugins-')))
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text)
  const plugins = new Plugins({ log: { child: () => noLog }, builtIn: ['rest'], ...options })
  onTestFinished(async () => {
    await plugins[Symbol.asyncDispose]()
    await rm(root, { recursive: true })
  })
  return { root, plugins }
}

test('who runs keeps his name, though another file comes before his; when he goes the other takes it', async () => {
  const { root, plugins } = await opened({ 'm.ts': versioned('shop', 1) })
  const before = await plugins.load({ directory: root })
  plugins.adopt(1)
  await writeFile(join(root, 'a.ts'), versioned('shop', 2))
  const both = await plugins.load({ directory: root })
  plugins.adopt(2)
  expect(both.adapters.find(({ name }) => name === 'shop')).toBe(before.adapters[0])
  expect(both.plugins[0]?.failure?.message).toContain('"shop" belongs to the plugin m.ts')
  await rm(join(root, 'm.ts'))
  const { adapters, plugins: left } = await plugins.load({ directory: root })
  expect(left.map(({ name, failure }) => [name, failure])).toEqual([['a', undefined]])
  expect(adapters.find(({ name }) => name === 'shop')).toBe(left[0]?.adapter)
})

test('a fresh start: a name belongs to the file that is called so, though a copy comes before it and though it cannot be loaded', async () => {
  const { root, plugins } = await opened({
    'shop-old.ts': versioned('shop', 'old'),
    'shop.ts': versioned('shop', 1),
  })
  const fresh = await plugins.load({ directory: root })
  expect(fresh.plugins.map(({ name, failure }) => [name, failure?.message])).toEqual([
    ['shop-old', 'shop-old.ts: the name "shop" belongs to the plugin shop.ts: give this one another name'],
    ['shop', undefined],
  ])
  expect(fresh.adapters.find(({ name }) => name === 'shop')).toBe(fresh.plugins[1]?.adapter)
  await writeFile(join(root, 'shop.ts'), 'enum A {}')
  const broken = await plugins.load({ directory: root })
  expect(broken.plugins.map(({ adapter }) => adapter)).toEqual([undefined, undefined])
  const standIn = broken.adapters.find(({ name }) => name === 'shop')
  expect(standIn && standsInFor(standIn)).toBe('shop')
})

test('a fresh start: of several that want one name, and none is called so, none runs; the one that runs stays', async () => {
  const computed = versioned('shop', 2).replace("name: 'shop'", "name: ['sh', 'op'].join('')")
  const { root, plugins } = await opened({ 'a.ts': computed, 'b.ts': computed })
  const where = { directory: root }
  const both = await plugins.load(where)
  const problem = 'the name "shop" is wanted by a.ts and b.ts: keep one of them, or call its file shop.ts'
  expect(both.plugins.map(({ failure, adapter }) => [failure?.message, adapter])).toEqual([
    [`a.ts: ${problem}`, undefined],
    [`b.ts: ${problem}`, undefined],
  ])
  const standIn = both.adapters.find(({ name }) => name === 'shop')
  expect(standIn && plugins.whyDown(standIn)).toContain(problem)
  await rm(join(root, 'b.ts'))
  const { plugins: alone } = await plugins.load(where)
  plugins.adopt(1)
  expect(alone.map(({ adapter }) => adapter?.name)).toEqual(['shop'])
  for (const file of ['b.ts', 'shop.ts']) await writeFile(join(root, file), versioned('shop', 3))
  expect((await plugins.load(where)).plugins.map(({ adapter }) => adapter)).toEqual([
    alone[0]?.adapter,
    undefined,
    undefined,
  ])
})

test('a file that was renamed is the same plugin under another name; one that was only touched has not changed', async () => {
  const { root, plugins } = await opened({ 'old.ts': versioned('shop', 1) })
  await plugins.load({ directory: root })
  plugins.adopt(1)
  await writeFile(join(root, 'old.ts'), versioned('shop', 1))
  expect(await plugins.hasChanged({ directory: root })).toBe(false)
  await rename(join(root, 'old.ts'), join(root, 'new.ts'))
  expect(await plugins.hasChanged({ directory: root })).toBe(true)
  const { adapters, plugins: found } = await plugins.load({ directory: root })
  plugins.adopt(2)
  expect(found.map(({ name, failure }) => [name, failure])).toEqual([['new', undefined]])
  expect(adapters.map(({ name }) => name)).toEqual(['shop'])
})

test('m.ts and m.js are one plugin by name: the one that runs stays and can be changed, the other is told of and never begun', async () => {
  const { root, plugins } = await opened({ 'm.ts': versioned('shop', 1) })
  const where = { directory: root }
  await plugins.load(where)
  plugins.adopt(1)
  for (const save of [1, 2]) {
    await writeFile(join(root, 'm.js'), versioned('other', `js ${save}`))
    const { adapters, isSame } = await plugins.load(where)
    expect([adapters.some(({ name }) => name === 'shop'), isSame]).toEqual([true, true])
    expect(await plugins.hasChanged(where)).toBe(false)
  }
  expect(plugins.list().map(({ name, state, failure }) => [name, state, failure?.message])).toEqual([
    ['m.js', 'failed', 'm.js: it and m.ts are one plugin by name: remove one of them'],
    ['m', 'running', undefined],
  ])
  await writeFile(join(root, 'm.ts'), versioned('shop', 2))
  expect((await plugins.load(where)).isSame).toBe(false)
  plugins.adopt(2)
  await until(async () => ((await threads('plugin m')) === 1 ? true : undefined))
  await rm(join(root, 'm.js'))
  expect(await plugins.hasChanged(where)).toBe(true)
  expect((await plugins.load(where)).isSame).toBe(true)
  plugins.adopt(3)
  expect(plugins.list().map(({ name, state, generation }) => [name, state, generation])).toEqual([
    ['m', 'running', 2],
  ])
})

test('a file becomes a folder: the folder waits until the file has gone; one without an entry never takes the place of a file', async () => {
  const { root, plugins } = await opened({ 'm.ts': versioned('shop', 1), 'n.ts': versioned('stock', 1) })
  const where = { directory: root }
  await mkdir(join(root, 'n'))
  await mkdir(join(root, 'm'))
  await plugins.load(where)
  plugins.adopt(1)
  await writeFile(join(root, 'm/index.ts'), versioned('shop', 2))
  const { plugins: both } = await plugins.load(where)
  plugins.adopt(2)
  expect(both.map(({ name, failure }) => [name, failure?.message])).toEqual([
    ['m/index.ts', 'm/index.ts: it and m.ts are one plugin by name: remove one of them'],
    ['m', undefined],
    ['n/', expect.stringContaining('the folder has no index.ts')],
    ['n', undefined],
  ])
  await rm(join(root, 'm.ts'))
  const { plugins: left } = await plugins.load(where)
  plugins.adopt(3)
  expect(left[0]).toMatchObject({ name: 'm', file: join(root, 'm/index.ts'), adapter: { name: 'shop' } })
})

/** The threads of plugins' workers, as the system sees them: a name has 15 characters there. */
async function threads(name: string): Promise<number> {
  const names = (await readdir('/proc/self/task')).map(
    (task) => readFile(`/proc/self/task/${task}/comm`, 'utf8').catch(() => ''), // it has ended meanwhile
  )
  return (await Promise.all(names)).filter((each) => each.trim() === name).length
}

test('a worker begun at the first sign is the one that runs the version; of several plugins one has one', async () => {
  const { root, plugins } = await opened({
    'early.ts': versioned('early', 1),
    'late.ts': versioned('late', 1),
  })
  plugins.prepare('early')
  plugins.prepare('late')
  await until(async () => ((await threads('plugin early')) === 1 ? true : undefined))
  const { plugins: loaded } = await plugins.load({ directory: root })
  expect(loaded.map(({ name, failure }) => [name, failure])).toEqual([
    ['early', undefined],
    ['late', undefined],
  ])
  expect([await threads('plugin early'), await threads('plugin late')]).toEqual([1, 1])
  plugins.adopt(1)
  plugins.prepare('early')
  await until(async () => ((await threads('plugin early')) === 2 ? true : undefined))
  expect(await plugins.hasChanged({ directory: root })).toBe(false)
  await until(async () => ((await threads('plugin early')) === 1 ? true : undefined))
  plugins.prepare('early') // nothing follows: it ends with the rest
  await plugins[Symbol.asyncDispose]()
  await until(async () => ((await threads('plugin early')) === 0 ? true : undefined))
})

test('a lock: another content is refused and the locked one goes on, as long as it is the locked one', async () => {
  const { root, plugins } = await opened({ 'shop.ts': versioned('shop', 1) })
  const [first] = (await plugins.load({ directory: root })).plugins
  const allow = { shop: first?.hash ?? '' }
  plugins.adopt(1)
  await writeFile(join(root, 'shop.ts'), versioned('shop', 2))
  await writeFile(join(root, 'late.ts'), versioned('late', 1))
  const locked = await plugins.load({ directory: root, allow })
  plugins.adopt(2)
  expect(locked.plugins.map(({ failure }) => failure?.message)).toEqual([
    expect.stringContaining('late.ts: it is not in plugins.allow'),
    expect.stringContaining('shop.ts: it is not what plugins.allow has locked'),
  ])
  expect(locked.plugins[1]?.adapter).toBe(first?.adapter)
  const other = await plugins.load({ directory: root, allow: { shop: 'f'.repeat(64) } })
  expect(other.plugins[1]?.adapter).toBeUndefined()
})

test('DESIGN §9: a component without its methods does not start, an async create that throws neither; the file is named, and only what `start` learnt is tried again', async () => {
  const bad = (name: string, create: string): string =>
    versioned(name, 1).replace(/create: \(\) => \(\{ answer.*\}\),/u, `create: ${create},`)
  const files = {
    'typo.ts': bad('typo', '() => ({ anwser: async () => ({}), async [Symbol.asyncDispose]() {} })'),
    'late.ts': bad('late', "async () => { throw new Error('no database') }"),
    'paid.ts': versioned('paid', 1).replace('safe: false', "safe: 'false'"),
    'slip.ts': versioned('slip', 1).replace('safe: true', 'saef: true'),
    'told.ts': versioned('told', 1).replace('call:', 'async start() { this.operations.Pay = null }, call:'),
  }
  const { root, plugins } = await opened(files, { onAgain: async () => undefined })
  const { adapters } = await plugins.load({ directory: root })
  const start = (name: string, role: 'agent' | 'backend' = 'agent'): Promise<void> | undefined =>
    adapters
      .find((each) => each.name === name)
      ?.[role]?.create({}, testScope())
      .start?.(new AbortController().signal)
  await expect(start('typo')).rejects.toThrow('no function `answer`')
  await expect(start('late')).rejects.toThrow('returns a promise')
  await expect(start('paid', 'backend')).rejects.toThrow('operation "Pay": `safe` is the text "false"')
  await expect(start('slip', 'backend')).rejects.toThrow('operation "Look" has `saef`')
  await expect(start('told', 'backend')).rejects.toThrow('operation "Pay" is null')
  expect(await plugins.refuse(new Error('none of them started'))).toBe(true)
  const refused = (await plugins.load({ directory: root })).plugins.map(({ failure }) => failure?.message)
  // Its system may have been no readier than that.
  expect(refused.filter((told) => told?.includes('tried again'))).toEqual([
    expect.stringMatching(
      /^told\.ts: .*: operation "Pay" is null: .* \(after `start`\) \(it is tried again/u,
    ),
  ])
  const failures = plugins.list().map(({ failure }) => failure?.message)
  expect(failures).toEqual([
    expect.stringMatching(/^late\.ts: agent ".*" did not start: `create` returns a promise/u),
    expect.stringMatching(
      /^paid\.ts: backend ".*" did not start: operation "Pay": .*: write true or false$/u,
    ),
    expect.stringMatching(
      /^slip\.ts: backend ".*" did not start: .* \(did you mean `safe`\?\): write `safe`/u,
    ),
    expect.stringMatching(/^told\.ts: backend ".*" did not start: operation "Pay" is null/u),
    expect.stringMatching(/^typo\.ts: agent ".*" did not start: .*it has `anwser`/u),
  ])
})

test('a port that is in use while a version before runs: told with what lets both have it, caught or not', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const serving = (name: string, failing: string): string =>
    `import { createServer } from 'node:net'\n${versioned(name, 2)}`.replace(
      'answer:',
      `start: () => new Promise((_, fail) => createServer()${failing}.listen(${port}, '127.0.0.1')), answer:`,
    )
  const { root, plugins } = await opened({ 'own.ts': versioned('own', 1), 'wild.ts': versioned('wild', 1) })
  const started = async (): Promise<readonly (string | undefined)[]> => {
    await writeFile(
      join(root, 'own.ts'),
      serving('own', ".on('error', (cause) => fail(new Error('no service', { cause })))"),
    )
    await writeFile(join(root, 'wild.ts'), serving('wild', ''))
    const loaded = (await plugins.load({ directory: root })).plugins
    const starts = loaded.map(async ({ adapter }) =>
      adapter?.agent?.create({}, testScope()).start?.(new AbortController().signal),
    )
    await Promise.allSettled(starts)
    await plugins.refuse(new Error('none of them started'))
    return plugins.list().map(({ failure }) => failure?.message)
  }
  const cure = /: the version before may hold that port: open it with `reusePort: true`/u
  expect(await started()).not.toContainEqual(expect.stringMatching(cure)) // nothing runs before them
  for (const name of ['own', 'wild']) await writeFile(join(root, `${name}.ts`), versioned(name, 1))
  await plugins.load({ directory: root })
  plugins.adopt(1)
  expect(await started()).toEqual([
    expect.stringMatching(/^own\.ts:\d+: agent ".*" did not start: no service: the version before/u),
    expect.stringMatching(/^wild\.ts: nobody caught "listen EADDRINUSE: .*catch it: the version before/u),
  ])
})

test('what a call imports only then: a file that is broken or not there is told by its line and cure', async () => {
  const { root, plugins } = await opened({})
  await mkdir(join(root, 'm'))
  const source = versioned('m', 1).replace(
    'call: async',
    "call: async ({ operation }) => operation === 'Look' ? import('./lazy.ts') : import('./gone.ts'),\n        late: async",
  )
  await writeFile(join(root, 'm/index.ts'), source)
  await writeFile(join(root, 'm/lazy.ts'), 'export const a = 1\n\nfoo bar\n')
  const { adapters } = await plugins.load({ directory: root })
  plugins.adopt(1)
  const backend = adapters[0]?.backend?.create({}, testScope())
  const { signal } = new AbortController()
  await backend?.start?.(signal)
  const told = async (operation: string): Promise<string | undefined> => {
    const call = { operation, params: {}, message: testMessage(), key: 'k', attempt: 1 }
    await expect(backend?.call(call, signal)).rejects.toBeInstanceOf(Error)
    return plugins.list()[0]?.failure?.message
  }
  expect(await told('Look')).toMatch(/^m\/lazy\.ts:3: [^:]+: mend the syntax \(backend "test" failed\)$/u)
  expect(await told('Pay')).toMatch(
    /^m\/index\.ts:\d+: it imports m\/gone\.ts, which does not exist: write .* \(backend "test" failed\)$/u,
  )
})

test('what an operation says is read by name, whatever else it has: getters count, functions stay in the worker', async () => {
  const operations =
    'operations: { Ask: new (class { get safe() { return true } get readsMessage() { return false } })(), Pay: { safe: false, idempotent: true, run: () => 1 } }'
  const source = versioned('shop', 1).replace(/operations: \{ .*? \} \}/u, operations)
  const { root, plugins } = await opened({ 'shop.ts': source })
  const { adapters } = await plugins.load({ directory: root })
  const backend = adapters[0]?.backend?.create({}, testScope())
  await backend?.start?.(new AbortController().signal)
  expect(backend?.operations).toEqual({
    Ask: { safe: true, readsMessage: false },
    Pay: { safe: false, idempotent: true },
  })
})

test('a member that is one slip from one that is not there starts with a warning: it may be a helper of its own', async () => {
  const source = versioned('shop', 1).replace('call:', 'stat: () => 1, call:')
  const { root, plugins } = await opened({ 'shop.ts': source })
  const { adapters } = await plugins.load({ directory: root })
  const { log, lines } = recordingLog()
  const backend = adapters[0]?.backend?.create({}, { ...testScope(), log })
  await backend?.start?.(new AbortController().signal)
  const message = 'what `create` returns has `stat` (did you mean `start`?)'
  expect(lines).toEqual([expect.objectContaining({ level: 'warn', message })])
})

/** Its system is away. */
const waiting = versioned('sy', 1).replace(
  'answer: async () => ({ text: String(version) }),',
  "start: async () => { throw new Error('away') }, $&",
)

test('what waits for its system and is forgiven goes on to be tried by itself, though no load follows: the config was broken', async () => {
  let tries = 0
  const { root, plugins } = await opened({ 'sy.ts': waiting }, { onAgain: async () => void (tries += 1) })
  const where = { directory: root }
  const { adapters } = await plugins.load(where)
  const started = adapters[0]?.agent?.create({}, testScope()).start?.(new AbortController().signal)
  await expect(started).rejects.toThrow('away')
  expect(await plugins.refuse(new Error('away'))).toBe(true)
  expect((await plugins.load(where)).plugins[0]?.failure?.message).toContain('it is tried again by itself')
  plugins.adopt(1)
  plugins.forgive()
  await until(() => (tries > 0 ? true : undefined))
  expect((await plugins.load(where)).plugins[0]?.failure).toBeUndefined()
})

test('a version that was loaded and not taken, for the sake of the config, has still to be taken', async () => {
  const { root, plugins } = await opened({ 'shop.ts': versioned('shop', 1) })
  const where = { directory: root }
  await plugins.load(where)
  expect(await plugins.refuse(new Error('the config is refused'))).toBe(false)
  expect(await plugins.hasChanged(where)).toBe(true)
  await plugins.load(where)
  plugins.adopt(1)
  expect(await plugins.hasChanged(where)).toBe(false)
})

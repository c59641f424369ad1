// The commands for authors and operators of plugins, as processes: new adapter, plugins test, lock, list, restart.
import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { versioned } from '../support/plugin-sources.ts'
import { post } from '../support/rest.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const yaml = `# mine
channels: { web: { adapter: rest } }
backends: { shop: { adapter: shop } } # the shop
routes: [{ backend: shop }]
`
let directory: string

beforeAll(async () => {
  directory = await temporaryDirectory()
  await mkdir(join(directory, 'plugins'))
  await writeFile(join(directory, 'plugins', 'shop.ts'), versioned('shop', 1))
  await writeFile(join(directory, 'gateway.yaml'), yaml)
})
afterAll(async () => rm(directory, { recursive: true, force: true, maxRetries: 3 }))

interface Ran {
  readonly status: number
  readonly out: string
  readonly error: string
}
function run(...args: readonly string[]): Promise<Ran> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [BIN, ...args], { cwd: directory }, (error, out, said) =>
      done({ status: typeof error?.code === 'number' ? error.code : 0, out, error: said }),
    )
    child.stdin?.end()
  })
}

test('new adapter writes a plugin, its test and its README, for each role; the tests pass at once', async () => {
  const folder = join(directory, "what I've made")
  for (const role of ['backend', 'channel', 'agent']) {
    const made = await run('new', 'adapter', `my-${role}`, `--${role}`, '--plugins', folder)
    expect([made.status, made.error]).toEqual([0, ''])
    for (const file of ['README.md', 'index.test.ts', 'index.ts'])
      expect(made.out).toContain(`made/my-${role}/${file}`)
    // What is shown can be pasted: it names the folder.
    const [, command = ''] = /^Its test: {2}npx dragoman (.+)$/mu.exec(made.out) ?? []
    expect(command).toBe(`plugins test my-${role} --plugins '${folder.replace("'", String.raw`'\''`)}'`)
    if (role !== 'backend') continue
    const shown = await run('plugins', 'test', `my-${role}`, '--plugins', folder)
    expect([shown.status, shown.error]).toEqual([0, ''])
    expect(shown.out).toMatch(/1 passed/)
  }
  expect(await run('new', 'adapter', 'my-agent', '--plugins', folder)).toMatchObject({ status: 1 })
  expect((await run('new', 'adapter', 'Mine')).error).toContain('lower case letters')
  expect((await run('new', 'adapter', 'soap')).error).toContain('built-in')
  expect((await run('new', 'adapter', 'two', '--agent', '--channel', '--plugins', folder)).error).toContain(
    '--channel and --agent',
  )
  await writeFile(join(directory, 'made.yaml'), `${yaml}\nplugins: "./what I've made"\n`)
  const tested = await run('plugins', 'test', '--config', 'made.yaml')
  expect([tested.status, tested.error]).toEqual([0, ''])
  expect(tested.out).toMatch(/3 passed/)

  await writeFile(join(folder, 'my-agent', 'index.ts'), 'enum A {}')
  const broken = await run('plugins', 'test', 'my-agent', '--config', 'made.yaml')
  expect(broken.status).toBe(1)
  expect(`${broken.out}${broken.error}`).toContain('union of texts')
  expect((await run('plugins', 'test', 'nobody', '--config', 'made.yaml')).error).toContain(
    'no plugin "nobody"',
  )
  await writeFile(join(directory, 'none.yaml'), `${yaml}\nplugins: ./none\n`)
  expect((await run('plugins', 'test', '--config', 'none.yaml')).error).toMatch(
    /^dragoman: there is no folder .*none$/mu,
  )
}, 120_000)

test('lock allows what lies there and nothing else; the config keeps its comments', async () => {
  onTestFinished(async () => {
    await rm(join(directory, 'plugins', 'late.ts'), { force: true })
    await writeFile(join(directory, 'gateway.yaml'), yaml)
  })
  // What no lock would cover does not run at all.
  await mkdir(join(directory, 'plugins/late/.gen'), { recursive: true })
  await writeFile(join(directory, 'plugins/late/.gen/rates.ts'), '')
  await writeFile(
    join(directory, 'plugins/late/index.ts'),
    `import './.gen/rates.ts'\n${versioned('late', 1)}`,
  )
  expect((await run('check')).error).toContain('late/.gen/rates.ts, which is left alone by its name')
  await rm(join(directory, 'plugins/late'), { recursive: true })
  expect((await run('plugins', 'lock')).status).toBe(0)
  const locked = await readFile(join(directory, 'gateway.yaml'), 'utf8')
  expect(locked).toMatch(/^# mine\n[^]*# the shop\n[^]*plugins:\n {2}allow:\n {4}shop: [0-9a-f]{64}\n/)
  expect((await run('check')).status).toBe(0)
  await writeFile(join(directory, 'plugins', 'shop.ts'), versioned('shop', 2))
  await writeFile(join(directory, 'plugins', 'late.ts'), 'throw new Error("it ran")')
  const { status, error } = await run('check')
  expect(status).toBe(1)
  expect(error).toMatch(/shop\.ts: it is not what plugins\.allow has locked .*dragoman plugins lock/)
  expect(error).toMatch(/late\.ts: it is not in plugins\.allow/)
  expect(error).toContain('backend "shop": its plugin cannot run')
  expect(error).not.toContain('it ran')
})

test('a running gateway: list shows versions and failures, restart tries again; without its plugin it starts all the same', async () => {
  await writeFile(join(directory, 'plugins', 'shop.ts'), versioned('shop', 2))
  await using gateway = await startGateway({ yaml, directory })
  expect((await post(`${gateway.base}/v1/requests/Look`, {})).body).toMatchObject({ version: 2 })
  const listed = await run('plugins')
  expect([listed.status, listed.error]).toEqual([0, ''])
  expect(listed.out).toMatch(/^PLUGIN +STATE +VERSION .*\nshop +running +[0-9a-f]{12} +1 +1 +0 +0 +[\d.]+\n$/)
  await writeFile(join(directory, 'plugins', 'shop.ts'), 'enum A {}')
  await until(async () =>
    (await run('plugins')).out.includes('Last failures:\nshop: shop.ts:1:') ? true : undefined,
  )
  await writeFile(join(directory, 'plugins', 'shop.ts'), String.raw`throw new Error('a\u001B[2Jb\u202Ec')`)
  await until(async () => ((await run('plugins')).out.includes('a [2Jb c') ? true : undefined))
  expect((await run('check')).error).toContain(String.raw`a\u001b[2Jb\u202ec`)
  expect((await run('plugins', 'restart', 'shop')).out).toMatch(/shop +running +[0-9a-f]{12} +1 +\d+ +0 +1 /)
  expect((await run('plugins', 'restart', 'nobody')).error).toContain('no plugin is named')
  expect((await post(`${gateway.base}/v1/requests/Look`, {})).body).toMatchObject({ version: 2 })
  // A copy under the same name answers neither now nor after the next start.
  await writeFile(join(directory, 'plugins', 'shop-old.ts'), versioned('shop', 'old'))
  await until(async () =>
    (await run('plugins')).out.includes('"shop" belongs to the plugin shop.ts') ? true : undefined,
  )
  expect((await post(`${gateway.base}/v1/requests/Look`, {})).body).toMatchObject({ version: 2 })
  await gateway.stop()

  // Where not even the first version can be loaded its routes are refused, and all else runs.
  await using crippled = await startGateway({ yaml, directory })
  expect((await post(`${crippled.base}/v1/requests/Look`, {})).status).toBe(503)
  expect(await (await fetch(`${crippled.base}/metrics`)).text()).toContain(
    'dragoman_plugin_state{plugin="shop",state="failed"} 1',
  )
  await writeFile(join(directory, 'plugins', 'shop.ts'), versioned('shop', 3))
  await until(async () => {
    const { body } = await post<{ version?: number }>(`${crippled.base}/v1/requests/Look`, {})
    return body.version === 3 ? true : undefined
  })
}, 120_000)

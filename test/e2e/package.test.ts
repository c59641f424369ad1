// The package that `npm pack` makes, in an empty folder, and plugins/README.md followed word for word: there and in a checkout.
import { spawn } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../bin/demo/free-port.ts'
import { temporaryDirectory, until } from '../support/gateway.ts'
import { checkout, copyCheckout, install, lend, shell, strangersEnv, write } from '../support/package.ts'
import { blocksOf, read } from './documents.ts'

const readme = read('plugins/README.md')
let away: string
let clone: string
let folder: string

beforeAll(async () => {
  away = await temporaryDirectory()
  clone = join(away, 'clone')
  folder = join(away, 'folder')
  await copyCheckout(clone)
  await mkdir(folder)
  await shell('npm pack --ignore-scripts=false', clone)
  await rename(join(clone, 'dragoman-0.1.0.tgz'), join(folder, 'dragoman-0.1.0.tgz'))
  const [line = '', more = ''] = one('sh install').split('\n')
  await install(line, folder)
  await lend([...more.replace('npm install --save-dev ', '').split(' '), 'typescript'], folder)
}, 180_000)
afterAll(() => rm(away, { recursive: true, force: true, maxRetries: 3 }))

function one(language: string): string {
  const [block] = blocksOf(readme, language)
  if (block === undefined) throw new Error(`the README has no block "${language}"`)
  return block
}

/** A program of the stranger's, in the background; resolves when a line of its output is as asked. */
async function background(line: string, cwd: string, isReady: RegExp | undefined): Promise<AsyncDisposable> {
  const child = spawn('sh', ['-c', `exec ${line}`], {
    cwd,
    env: strangersEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  let said = ''
  child.stderr.on('data', (text) => (said += String(text)))
  if (isReady !== undefined)
    await new Promise<void>((done, failed) => {
      child.once('exit', () => failed(new Error(`${line} ended: ${said}`)))
      createInterface({ input: child.stdout }).on('line', (text) => isReady.test(text) && done())
    })
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

test('npm pack leaves the checkout as it was, but for its build', async () => {
  expect(await readFile(join(clone, 'package.json'), 'utf8')).toBe(read('package.json'))
  expect(read('.gitignore').split('\n')).toContain('/dist/')
})

test('the package has JavaScript, types, licence and READMEs; no tests, no source maps, no place of this machine', () => {
  const home = join(folder, 'node_modules/dragoman')
  const files = globSync('**/*.*', { cwd: home, exclude: ['**/node_modules/**'] })
  for (const file of [
    'README.md',
    'plugins/README.md',
    'core/api.ts',
    'dist/bin/dragoman.js',
    'dist/core/api.d.ts',
  ])
    expect(files).toContain(file)
  expect(readFileSync(join(home, 'LICENSE'), 'utf8')).toContain('Apache License')
  const sources = files.filter((file) => !file.startsWith('plugins/_examples/')) // to be copied, as they are
  expect(
    sources.filter((file) => /\.test\.|(?<!\.d)\.ts$|\.map$|^test\/|\/_/u.test(file)).toSorted(),
  ).toEqual(['config/deploy/probe.ts', 'core/api.ts', 'plugins/sample-orders.ts'])
  for (const file of files) {
    const text = readFileSync(join(home, file), 'utf8')
    for (const found of ['sourceMappingURL=', checkout, away, `${homedir()}/`])
      expect(text.includes(found) && `${file} has ${found}`).toBe(false)
  }
})

test('what a document of the package links to is in the package', () => {
  const home = join(folder, 'node_modules/dragoman')
  const missing = globSync('**/*.md', { cwd: home, exclude: ['**/node_modules/**'] }).flatMap((file) =>
    Array.from(readFileSync(join(home, file), 'utf8').matchAll(/\]\((?<path>[^)#\s]+)(?:#[^)]*)?\)/gu))
      .map(({ groups }) => groups?.['path'] ?? '')
      .filter((path) => !/^[a-z]+:/u.test(path) && !existsSync(join(home, dirname(file), path)))
      .map((path) => `${file}: ${path}`),
  )
  expect(missing).toEqual([])
})

test('every block of plugins/README.md is one that these tests run', () => {
  expect([...new Set(readme.match(/^```.+$/gmu))]).toEqual(
    [
      'sh walk',
      'ts',
      'yaml',
      'sh terminal',
      'yaml channel',
      'ts promise',
      'ts test',
      'sh install',
      'json',
    ].map((each) => `\`\`\`${each}`),
  )
})

describe.each([
  ['outside of a checkout', () => folder, 'node_modules/.bin/dragoman'],
  ['in a checkout', () => clone, 'node bin/dragoman.ts'],
])('plugins/README.md, %s', (_where, placeOf, program) => {
  test('from nothing to a backend, a bot and a channel, word for word', async () => {
    const place = placeOf()
    const [gatewayPort, systemPort] = [await freePort(), await freePort()]
    const here = (text: string): string =>
      text.replaceAll('127.0.0.1:8080', `127.0.0.1:${gatewayPort}`).replaceAll('9001', String(systemPort))
    const [begin = [], call = [], makeChannel = [], callChannel = []] = blocksOf(readme, 'sh walk').map(
      (block) => here(block).trimEnd().split('\n'),
    )
    // npx takes a second each time; once shows that it works.
    const [asked = ''] = begin
    const run = (line = ''): Promise<string> =>
      shell(line === asked ? line : line.replace(/^npx dragoman/u, program), place)

    expect(await run(begin[0])).toContain('plugins/shop/index.ts')
    expect(await run(begin[1])).toMatch(/1 passed/u)
    await write(place, 'plugins/echo.ts', one('ts'))
    await write(place, 'gateway.yaml', here(one('yaml')))
    const [system = '', start = ''] = here(one('sh terminal')).split('\n')
    expect(start).toBe('npx dragoman start')
    await using _system = await background(system, place, undefined)
    // Not by npx: it would not pass on the signal that ends it.
    await using _gateway = await background(`${program} start --port ${gatewayPort}`, place, /"ready":true/u)

    expect(await run(call[0])).toContain('gateway.yaml: ok (1 channel, 1 backend, 1 agent, 2 routes)')
    await until(async () => (await run(call[1])) === '{"status":"shipped"}')
    expect(JSON.parse(await run(call[2]))).toMatchObject({ reply: { parts: [{ text: 'I heard: hello' }] } })
    expect(await run(call[3])).toMatch(/^echo +running [^]*^shop +running /mu)
    expect(call).toHaveLength(4)

    await run(makeChannel[0])
    const [, line = ''] = one('yaml channel').split('\n')
    await write(place, 'gateway.yaml', here(one('yaml')).replace('channels:\n', `channels:\n${line}\n`))
    await until(async () => (await run(callChannel[0])).includes('"text":"I heard: hello"'))
    const page = await fetch(`http://127.0.0.1:${gatewayPort}/demo/chat`)
    const [, script = ''] = /<script type="module" src="([^"]+)"/u.exec(await page.text()) ?? []
    const fetched = await fetch(new URL(script, page.url))
    expect([fetched.status, fetched.headers.get('content-type')]).toEqual([
      200,
      'text/javascript; charset=utf-8',
    ])
  }, 120_000)
})

test('the compiler finds the types of dragoman, dragoman/testing and dragoman/client in the package, and mistakes by them', async () => {
  const tsc = `${JSON.stringify(process.execPath)} node_modules/typescript/bin/tsc`
  await write(folder, 'tsconfig.json', one('json'))
  const app =
    "import { connect } from 'dragoman/client'\nexport const app = connect({ url: 'http://127.0.0.1:8080', token: 'ann' })\n"
  await write(folder, 'plugins/_app.ts', app)
  await write(folder, 'plugins/echo.test.ts', one('ts test'))
  expect(await shell(tsc, folder)).toBe('')
  // Without any options too: nothing else is wrong than what is made wrong here.
  await write(folder, 'tsconfig.json', '{ "include": ["plugins/shop/index.ts", "plugins/echo.ts"] }')
  await write(folder, 'plugins/echo.ts', one('ts').replace("'echo'", '1'))
  await expect(shell(`${tsc} --noEmit`, folder)).rejects.toThrow(
    /--noEmit\n\nplugins\/echo\.ts\(\d+,\d+\): error TS2322: [^\n]*\n$/u,
  )
}, 60_000)

test('without a gateway.yaml the package runs what it brings along, and keeps its data where it is started', async () => {
  const empty = join(away, 'empty')
  await mkdir(empty)
  await symlink(join(folder, 'node_modules'), join(empty, 'node_modules'))
  const port = await freePort()
  await using _gateway = await background(
    `node_modules/.bin/dragoman start --port ${port}`,
    empty,
    /"ready":true/u,
  )
  const said = await shell(
    `node_modules/.bin/dragoman send "Where is my order 000777?" --url http://127.0.0.1:${port}`,
    empty,
  )
  expect(said).toContain('000777')
  expect(await shell('node_modules/.bin/dragoman plugins', empty)).toContain('sample-orders  running')
  expect(globSync('data/*', { cwd: empty })).toContain('data/gateway.url')
  expect(await shell('node_modules/.bin/dragoman new adapter shop --agent', empty)).toContain(
    'plugins/shop/index.ts',
  )
  expect(globSync('plugins/*', { cwd: empty })).toEqual(['plugins/shop'])
}, 60_000)

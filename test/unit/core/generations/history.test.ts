// The last five generations: what is kept of them, which one is meant, what is left when a file is damaged.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { contentOf } from '../../../../core/generations/content.ts'
import type { Content } from '../../../../core/generations/content.ts'
import { History, KEPT_GENERATIONS } from '../../../../core/generations/history.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'generations-'))
  onTestFinished(async () => rm(made, { recursive: true }))
  return made
}

async function open(directory: string, warned: string[] = []): Promise<History> {
  const log = { ...noLog, warn: (message: string) => void warned.push(message) }
  return History.open({ directory: join(directory, 'kept'), log, now: () => Date.UTC(2026, 0, 1) })
}

function content(text: string, plugin = 'a'): Content {
  const file = '/etc/gateway/plugins/shop.ts'
  const own = `file://${file}`
  const snapshot = {
    name: 'shop',
    file,
    root: '/etc/gateway/plugins',
    hash: Buffer.from(plugin).toString('hex').padEnd(64, '0'),
    own,
    sources: new Map([[own, plugin]]),
    others: new Map<string, string>(),
  }
  const found = { name: 'shop', path: file, entry: file }
  return contentOf({
    config: { file: '/etc/gateway/gateway.yaml', text },
    files: [],
    plugins: [{ found, hash: snapshot.hash, snapshot }],
  })
}

test('five are kept, also in the next life, whole; what no kept one needs is removed from the disk', async () => {
  const directory = await folder()
  const history = await open(directory)
  for (let n = 1; n <= 8; n++) await history.ran(n, content(`v${n}`, `plugin ${n}`))
  const again = await open(directory)
  for (const each of [history, again]) {
    expect(each.list().generations.map(({ generation }) => generation)).toEqual([4, 5, 6, 7, 8])
    expect(each.list().generations.map(({ isRunning }) => isRunning)).toEqual([
      false,
      false,
      false,
      false,
      true,
    ])
    expect(each.last).toBe(8)
  }
  expect(KEPT_GENERATIONS).toBe(5)
  expect(await again.contentOf(again.find(6))).toEqual(content('v6', 'plugin 6'))
  expect(await readdir(join(directory, 'kept', 'content'))).toHaveLength(10)
})

test('the same content is the same generation with another number: a restart and a reload without a change take no place', async () => {
  const directory = await folder()
  const history = await open(directory)
  await history.ran(1, content('a'))
  await history.ran(2, content('b'))
  await history.ran(3, content('b'))
  const next = await open(directory)
  await next.ran(next.last + 1, content('b'))
  expect(next.list().generations).toMatchObject([
    { generation: 1, last: 1, isRunning: false, changes: [] },
    { generation: 2, last: 4, isRunning: true, changes: ['gateway.yaml changed'] },
  ])
  expect(next.find(4, { isAny: true }).generation).toBe(2)
})

test('without a number it is the one that ran before, and before that; a new one comes after the one it took over from', async () => {
  const history = await open(await folder())
  await history.ran(1, content('a'))
  await history.ran(2, content('b'))
  await history.ran(3, content('c', 'other'))
  expect(history.find().generation).toBe(2)
  await history.ran(4, content('b'))
  expect(history.find().generation).toBe(1)
  await history.ran(5, content('a'))
  expect(() => history.find()).toThrow('what ran before this generation is not kept: kept are 2, 3')
  await history.ran(6, content('d'))
  expect(history.find().generation).toBe(1)
  expect(history.find(3).generation).toBe(3)
  expect(() => history.find(6)).toThrow('generation 6 is what runs: kept are 1, 2, 3')
  expect(() => history.find(99)).toThrow('generation 99 is not kept: kept are 1, 2, 3')
  expect(history.list().generations.at(-1)?.changes).toEqual(['gateway.yaml changed'])
  expect(history.list().generations[2]?.changes).toEqual(['gateway.yaml changed', 'plugin shop changed'])
})

test('what is damaged is never run: the file is told, the other generations are there', async () => {
  const directory = await folder()
  const history = await open(directory)
  for (const [n, text] of ['a', 'b', 'c'].entries()) await history.ran(n + 1, content(text, text))
  const kept = join(directory, 'kept')
  const names = await readdir(join(kept, 'content'))
  for (const name of names) {
    const file = join(kept, 'content', name)
    if ((await readFile(file, 'utf8')) === 'a') await writeFile(file, 'evil')
  }
  await writeFile(join(kept, '2.json'), '{"format":1')
  const warned: string[] = []
  const next = await open(directory, warned)
  expect(next.list().generations.map(({ generation }) => generation)).toEqual([1, 3])
  expect(warned).toEqual(['a kept generation cannot be read'])
  await expect(next.contentOf(next.find(1))).rejects.toThrow(/^generation 1 cannot be read: .*is damaged$/)
  expect((await next.contentOf(next.find(3, { isAny: true }))).config.file).toBe('/etc/gateway/gateway.yaml')
})

test('only the gateway’s user can read it; which generation was gone back to is known in the next life', async () => {
  const directory = await folder()
  const history = await open(directory)
  await history.ran(1, content('a'))
  const places = { files: ['/etc/gateway/gateway.yaml'], plugins: '/etc/gateway/plugins' }
  await history.pinTo({ generation: 1, disk: '0'.repeat(64), places })
  const kept = join(directory, 'kept')
  for (const name of await readdir(kept, { recursive: true })) {
    const { mode } = await stat(join(kept, name))
    expect([name, mode & 0o077]).toEqual([name, 0])
  }
  const next = await open(directory)
  expect(next.pin).toEqual({ generation: 1, disk: '0'.repeat(64), places })
  expect(next.list().rolledBackTo).toBe(1)
  await next.pinTo(undefined)
  expect((await open(directory)).list().rolledBackTo).toBeNull()
})

// What lies in a plugins folder and is no plugin that can be read, and files that a plugin writes beside its own code.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import type { Log } from '../../../../core/api.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import { watchPlugins } from '../../../../core/plugins/watch.ts'
import { until } from '../../../support/gateway.ts'
import { versioned } from '../../../support/plugin-sources.ts'

const run = promisify(execFile)

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'plugins-')))
  onTestFinished(() => rm(root, { recursive: true }))
  await mkdir(join(root, 'fold'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text)
  return root
}

function opened(log: Log = noLog): Plugins {
  const plugins = new Plugins({ log: { child: () => log }, builtIn: [] })
  onTestFinished(() => plugins[Symbol.asyncDispose]())
  return plugins
}

const FOLD = { 'fold/index.ts': versioned('fold', 1) }

test('a link to nothing or to itself and a pipe are told by name; the others are loaded, a volume’s lost+found is left alone', async () => {
  const root = await folder({ 'one.ts': versioned('one', 1), ...FOLD })
  await symlink('ring.ts', join(root, 'ring.ts'))
  await symlink('nowhere', join(root, 'away'))
  await run('mkfifo', [join(root, 'pipe.ts')])
  await mkdir(join(root, 'lost+found'))
  const { plugins } = await opened().load({ directory: root })
  expect(plugins.map(({ name, failure }) => [name, failure?.message])).toStrictEqual([
    ['away', 'away: it is a link to nothing: remove it'],
    ['fold', undefined],
    ['one', undefined],
    ['pipe', 'pipe.ts: it is neither a file nor a folder: remove it'],
    ['ring', 'ring.ts: it is a link that leads back to itself: remove it'],
  ])
})

test.each([
  ['a link to nothing', 'fold/old.ts: it is a link to nothing: remove it', 'nowhere.ts'],
  ['a link to itself', 'fold/old.ts: it is a link that leads back to itself: remove it', 'old.ts'],
  [
    'a link to a folder',
    'fold/old.ts: it is a link to something that is no file: put the file itself there',
    '.',
  ],
])('%s beside a plugin’s code is named, and what ran before goes on', async (_, problem, target) => {
  const root = await folder(FOLD)
  const plugins = opened()
  const where = { directory: root }
  const before = await plugins.load(where)
  plugins.adopt(1)
  await symlink(target, join(root, 'fold', 'old.ts'))
  expect(await plugins.hasChanged(where)).toBe(true)
  const { plugins: found, isSame } = await plugins.load(where)
  expect(found.map(({ name, adapter, failure }) => [name, adapter, failure?.message])).toStrictEqual([
    ['fold', before.plugins[0]?.adapter, problem],
  ])
  expect([isSame, await plugins.hasChanged(where)]).toStrictEqual([true, false])
})

test('what cannot be looked at holds up no change of the others', async () => {
  const root = await folder(FOLD)
  await symlink('ring.ts', join(root, 'ring.ts'))
  await symlink('nowhere.ts', join(root, 'fold', 'old.ts'))
  let told = 0
  const watching = watchPlugins(
    () => root,
    async () => {
      told += 1
    },
  )
  onTestFinished(() => watching[Symbol.asyncDispose]())
  await until(() => (told === 1 ? true : undefined))
  await writeFile(join(root, 'fold', 'index.ts'), versioned('fold', 2))
  await until(() => (told === 2 ? true : undefined))
})

test.each([
  ['one file', () => 'cursor.txt'],
  ['a JSON file', () => 'cursor.json'],
  ['ever new files', (write: number) => `log-${write}.txt`],
])(
  '%s that a plugin writes beside its code makes some versions, no more, and is told; its code still counts',
  async (_, nameOf) => {
    const root = await folder({ ...FOLD, 'fold/words.txt': 'hello' })
    const warnings: string[] = []
    const plugins = opened({ ...noLog, warn: (text) => void warnings.push(text) })
    const where = { directory: root }
    await plugins.load(where)
    plugins.adopt(1)
    const wrote = async (file: string, text: string): Promise<boolean> => {
      await writeFile(join(root, 'fold', file), text)
      if (!(await plugins.hasChanged(where))) return false
      await plugins.load(where)
      plugins.adopt(2)
      return true
    }
    const versions: boolean[] = []
    for (let write = 1; write <= 12; write++) versions.push(await wrote(nameOf(write), String(write)))
    // The last of them is the one whose data counts no more.
    expect(versions.filter(Boolean)).toHaveLength(7)
    expect(versions.slice(7)).not.toContain(true)
    expect(warnings).toStrictEqual([
      `plugin fold: what lies beside its code changes again and again while it runs (fold/${nameOf(6)}), and makes no new version any more until the code changes: keep data in scope.state or in another folder, or begin its name with "."`,
    ])
    expect(await wrote('index.ts', versioned('fold', 2))).toBe(true)
    await plugins.load(where)
    plugins.adopt(3)
    expect(await wrote('words.txt', 'good day')).toBe(true)
  },
)

test('code that is not UTF-8 is refused by name, with what to do; a byte order mark is nothing wrong, nor is a picture', async () => {
  const root = await folder({ 'fold/index.ts': `\uFEFF${versioned('fold', '你好')}` })
  await writeFile(join(root, 'fold/logo.png'), Buffer.from([0x89, 0xff, 0x00]))
  await writeFile(
    join(root, 'gbk.ts'),
    Buffer.concat([Buffer.from(versioned('gbk', 1)), Buffer.from([0x2f, 0x2f, 0xc4, 0xe3])]),
  )
  await writeFile(join(root, 'wide.ts'), Buffer.from(`\uFEFF${versioned('wide', 1)}`, 'utf16le'))
  const { plugins } = await opened().load({ directory: root })
  expect(plugins.map(({ failure }) => failure?.message)).toStrictEqual([
    undefined,
    'gbk.ts: it is not UTF-8: save it as UTF-8',
    'wide.ts: it is not UTF-8: save it as UTF-8',
  ])
})

test('a template that was saved broken is taken up when it is mended, however often it was looked at', async () => {
  const root = await folder({
    'fold/index.ts': `
import { readFileSync } from 'node:fs'
JSON.parse(readFileSync(new URL('./page.json5', import.meta.url), 'utf8'))
${versioned('fold', 1)}`,
    'fold/page.json5': '{}',
  })
  const plugins = opened()
  const where = { directory: root }
  await plugins.load(where)
  plugins.adopt(1)
  await writeFile(join(root, 'fold', 'page.json5'), '{')
  for (let look = 0; look < 10; look++) await plugins.load(where)
  await writeFile(join(root, 'fold', 'page.json5'), '{ }')
  expect(await plugins.hasChanged(where)).toBe(true)
  expect((await plugins.load(where)).plugins.map(({ failure }) => failure)).toStrictEqual([undefined])
})

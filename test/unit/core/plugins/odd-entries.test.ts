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

test('data that a plugin writes beside its code makes three new versions of it at most, and is told; its code still counts', async () => {
  const root = await folder({ ...FOLD, 'fold/words.txt': 'hello' })
  const warnings: string[] = []
  const plugins = opened({ ...noLog, warn: (text) => void warnings.push(text) })
  const where = { directory: root }
  await plugins.load(where)
  plugins.adopt(1)
  let versions = 0
  for (let write = 1; write <= 8; write++) {
    await writeFile(join(root, 'fold', 'cursor.txt'), String(write))
    if (!(await plugins.hasChanged(where))) continue
    versions += 1
    await plugins.load(where)
    plugins.adopt(1 + versions)
  }
  // The last of them is the one without the file.
  expect(versions).toBe(4)
  expect(warnings).toStrictEqual([
    'plugin fold: fold/cursor.txt changes again and again while it runs, and makes no new version of it any more: keep data in scope.state or in another folder, or begin its name with "."',
  ])
  await writeFile(join(root, 'fold', 'words.txt'), 'good day')
  expect(await plugins.hasChanged(where)).toBe(true)
  await plugins.load(where)
  plugins.adopt(6)
  await writeFile(join(root, 'fold', 'index.ts'), versioned('fold', 2))
  expect(await plugins.hasChanged(where)).toBe(true)
})

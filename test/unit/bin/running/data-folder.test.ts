// What a start and the commands believe of a data folder that everybody may write: nothing that another user has put there.
import { chmod, chown, lchown, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { isAlive } from '../../../../bin/running/alive.ts'
import { checkFiles } from '../../../../bin/running/data-folder.ts'
import { openReader } from '../../../../bin/running/store-reader.ts'
import type { Config } from '../../../../config/load.ts'
import { readConfig, resolveConfig } from '../../../../config/load.ts'
import { howToShut } from '../../../../core/planted-file.ts'

const NOBODY = 65_534
const STORE = {} as Config['store'] // the embedded one: nothing of it is asked before the folder

async function folder(mode: number): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'data-folder-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await chmod(directory, mode)
  return directory
}

async function start(data: string): Promise<void> {
  const config = join(data, 'gateway.yaml')
  await writeFile(config, '{}\n')
  checkFiles(resolveConfig(await readConfig(config, { env: {}, overrides: { data } }), new Map()))
}

const planted = (path: string) => ({
  code: 'FORBIDDEN',
  message: expect.stringContaining(`${path} belongs to user ${NOBODY}, and everybody may write`),
})

test
  .skipIf(process.getuid?.() !== 0)
  .each(['admin.token', 'cache.db', 'dragoman.db', 'gateway.url', 'generations', 'worker-2'])(
  'a start refuses %s of another user in a folder that everybody may write',
  async (name) => {
    const data = await folder(0o1777)
    await writeFile(join(data, 'notes.txt'), '')
    await chown(join(data, 'notes.txt'), NOBODY, NOBODY)
    await start(data)
    const path = join(data, name)
    await mkdir(path)
    await start(data)
    await chown(path, NOBODY, NOBODY)
    await expect(start(data)).rejects.toMatchObject(planted(path))
    await expect(openReader({ dataDirectory: data, store: STORE })).rejects.toMatchObject(planted(path))
    await chmod(data, 0o775) // whom its owner lets in is trusted
    await start(data)
    await chmod(data, 0o777)
    await rm(path, { recursive: true })
    await symlink('/nowhere', path)
    await lchown(path, NOBODY, NOBODY)
    await expect(start(data)).rejects.toMatchObject(planted(path))
    await chown(data, NOBODY, NOBODY) // its own owner may have put there what is there
    await start(data)
  },
)

test('the cure that is told for an open folder leaves it to the user who runs the gateway', async () => {
  const data = await folder(0o777)
  const { uid } = await stat(data)
  expect(howToShut(data)).toBe(`chmod o-w ${data}`)
  vi.spyOn(process, 'getuid').mockReturnValue(uid + 1500)
  onTestFinished(() => void vi.restoreAllMocks())
  expect(howToShut(data)).toBe(`chown ${uid + 1500} ${data} && chmod o-w ${data} (in Kubernetes: fsGroup)`)
})

test.skipIf(process.getuid?.() !== 0)(
  'a lock that another user may hold does not tell that the gateway lives',
  async () => {
    const data = await folder(0o777)
    const lock = join(data, 'gateway.lock')
    await writeFile(lock, '')
    expect(isAlive(data)).toBe(false)
    await chown(lock, NOBODY, NOBODY)
    await chmod(lock, 0o666)
    expect(() => isAlive(data)).toThrow(expect.objectContaining(planted(lock)))
  },
)

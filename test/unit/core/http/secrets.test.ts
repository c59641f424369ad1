import { execFileSync } from 'node:child_process'
import { chmod, lchown, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadAdminToken } from '../../../../core/http/identity.ts'
import { digest, sameDigest } from '../../../../core/http/secrets.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dragoman-token-'))
})
afterAll(() => rm(directory, { recursive: true }))

const NOBODY = 65_534
const TOKEN = 'a-token-of-another-life'

async function folder(mode: number): Promise<{ readonly data: string; readonly file: string }> {
  const data = await mkdtemp(join(directory, 'data-'))
  await chmod(data, mode)
  return { data, file: join(data, 'admin.token') }
}

test('the admin token is made at the first start, for its owner only, and stays', async () => {
  const data = join(directory, 'new', 'data')
  const token = await loadAdminToken(data)
  expect(token).toMatch(/^[\w-]{43}$/u)
  const file = join(data, 'admin.token')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readFile(file, 'utf8')).toBe(`${token}\n`)
  expect(await loadAdminToken(data)).toBe(token)
})

test('starts at the same moment end with one token, and leave nothing else behind', async () => {
  const data = join(directory, 'race')
  const tokens = await Promise.all(Array.from({ length: 16 }, () => loadAdminToken(data)))
  expect(new Set(tokens).size).toBe(1)
  expect(await readdir(data)).toEqual(['admin.token'])
})

test('a configured token wins and makes no file', async () => {
  const data = join(directory, 'configured')
  expect(await loadAdminToken(data, 'configured')).toBe('configured')
  await expect(stat(data)).rejects.toThrow('ENOENT')
})

test('a file without a usable token is said, never taken', async () => {
  await writeFile(join(directory, 'admin.token'), 'short\n')
  await expect(loadAdminToken(directory)).rejects.toThrow('admin.token holds no usable admin token')
})

test.each([
  ['everybody may read is closed to all but its owner', 0o644, 0o600],
  ['a group may read stays what it is', 0o640, 0o640],
])('a token that %s', async (_what, before, after) => {
  const { data, file } = await folder(0o755)
  await writeFile(file, TOKEN)
  await chmod(file, before)
  expect(await loadAdminToken(data)).toBe(TOKEN)
  expect((await stat(file)).mode & 0o777).toBe(after)
})

test('a token that everybody may write is refused: anybody may have set it', async () => {
  const { data, file } = await folder(0o755)
  await writeFile(file, TOKEN)
  await chmod(file, 0o666)
  for (const _start of ['first', 'second'])
    await expect(loadAdminToken(data)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: `everybody may write ${file}, so anybody may have changed it: delete it, and start again`,
    })
  await chmod(file, 0o777) // as every file has it on a disk that keeps no modes
  expect(await loadAdminToken(data)).toBe(TOKEN)
})

test.skipIf(process.getuid?.() !== 0)(
  'a token, or a link to one, that another user has put into a folder that everybody may write is refused',
  async () => {
    for (const mode of [0o777, 0o1777]) {
      const { data, file } = await folder(mode)
      const told = {
        code: 'FORBIDDEN',
        message: expect.stringMatching(
          /\/admin\.token belongs to user 65534, and everybody may write .*: delete it unless .* chmod o-w \//u,
        ),
      }
      await writeFile(file, TOKEN)
      await lchown(file, NOBODY, NOBODY)
      await expect(loadAdminToken(data)).rejects.toMatchObject(told)
      await rm(file)
      const known = join(directory, 'known-to-all')
      await writeFile(known, TOKEN)
      await symlink(known, file)
      expect(await loadAdminToken(data)).toBe(TOKEN)
      await lchown(file, NOBODY, NOBODY)
      await expect(loadAdminToken(data)).rejects.toMatchObject(told)
    }
    // Who may write there has been chosen: its owner, or a group that it was given to.
    const { data, file } = await folder(0o775)
    await writeFile(file, TOKEN)
    await lchown(file, NOBODY, NOBODY)
    expect(await loadAdminToken(data)).toBe(TOKEN)
  },
)

test.each(['http://127.0.0.1:8080\n', '{"incarnation":"0190","next":1,"inode":2}'])(
  'another file of the folder that was given the name is no token: %s',
  async (content) => {
    const { data, file } = await folder(0o777)
    await writeFile(file, content)
    await expect(loadAdminToken(data)).rejects.toThrow('admin.token holds no usable admin token')
  },
)

test('a pipe in the place of the token is refused, and nobody waits for it', async () => {
  const { data, file } = await folder(0o755)
  execFileSync('mkfifo', [file])
  await expect(loadAdminToken(data)).rejects.toThrow(`${file} is no file`)
})

test('digests compare secrets of any length', () => {
  expect(sameDigest(digest('a'), digest('a'))).toBe(true)
  expect(sameDigest(digest('a'), digest('a much longer secret'))).toBe(false)
})

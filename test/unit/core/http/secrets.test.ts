import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
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

test('digests compare secrets of any length', () => {
  expect(sameDigest(digest('a'), digest('a'))).toBe(true)
  expect(sameDigest(digest('a'), digest('a much longer secret'))).toBe(false)
})

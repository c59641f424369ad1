import {
  appendFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { testHost, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { GatewayError } from 'dragoman'
import { afterAll, expect, test } from 'vitest'

import adapter from '../../../../plugins/_examples/copybook/index.ts'
import { createFrom } from '../../../support/create-from.ts'

const root = await mkdtemp(join(tmpdir(), 'copybook-'))
afterAll(() => rm(root, { recursive: true }))
let folders = 0

interface Opened extends AsyncDisposable {
  readonly host: TestHost
  readonly path: string
  files(place?: string): Promise<readonly string[]>
}

async function open(
  more: Readonly<Record<string, unknown>> = {},
  path = join(root, String(++folders)),
  scope = testScope(),
): Promise<Opened> {
  await mkdir(path, { recursive: true })
  const config = {
    charset: 'iso-8859-1',
    copybooks: { claim: '01 CLAIM.\n 05 CLAIM-NO PIC 9(4).\n 05 PAID PIC S9(4)V99.' },
    records: [{ operation: 'NewClaim', copybook: 'claim' }],
    folder: { path, everyMs: 50, ending: '.dat' },
    ...more,
  }
  const channel = createFrom(adapter.channel, config, scope)
  const host = testHost()
  await channel?.start(host, new AbortController().signal)
  const files = async (place = '.'): Promise<readonly string[]> =>
    (await readdir(join(path, place))).toSorted()
  return { host, path, files, [Symbol.asyncDispose]: async () => channel?.[Symbol.asyncDispose]() }
}
const place = { timeout: 20_000, interval: 20 }
async function done(opened: Opened, where = 'done'): Promise<void> {
  await expect.poll(() => opened.files(where), place).toContain('a.dat')
}

test('each record of a file is one message with the file and its place as id; then the file is moved', async () => {
  await using opened = await open()
  await writeFile(join(opened.path, 'a.dat'), '000100001p0002001250')
  await done(opened)
  expect(opened.host.drafts).toMatchObject([
    { kind: 'event', type: 'NewClaim', externalId: 'a.dat:0', data: { 'CLAIM-NO': '0001', PAID: '-0.10' } },
    { kind: 'event', type: 'NewClaim', externalId: 'a.dat:10', data: { 'CLAIM-NO': '0002', PAID: '12.50' } },
  ])
  expect(await opened.files()).toEqual(['done', 'failed'])
})

test('the same file again has the same ids, and does not take the place of the first', async () => {
  await using opened = await open()
  for (const _turn of [1, 2]) {
    await writeFile(join(opened.path, 'a.dat'), '0001000010')
    await expect.poll(() => opened.files(), place).toEqual(['done', 'failed'])
  }
  expect(opened.host.drafts.map(({ externalId }) => externalId)).toEqual(['a.dat:0', 'a.dat:0'])
  expect(await opened.files('done')).toEqual(['a.dat', 'a.dat.2'])
})

test('lines: line ends are no part of the records, and a last line needs none', async () => {
  await using opened = await open({ framing: { by: 'lines' } })
  await writeFile(join(opened.path, 'a.dat'), '0001000010\n0002000020')
  await done(opened)
  expect(opened.host.drafts.map(({ externalId }) => externalId)).toEqual(['a.dat:0', 'a.dat:11'])
})

test('a record that cannot be read: the others are handed in, the file goes to failed with a report', async () => {
  await using opened = await open()
  await writeFile(join(opened.path, 'a.dat'), '00010000100002xxxxxx000300003000')
  await done(opened, 'failed')
  expect(opened.host.drafts.map(({ externalId }) => externalId)).toEqual(['a.dat:0', 'a.dat:20'])
  const report = await readFile(join(opened.path, 'failed/a.dat.report.txt'), 'utf8')
  expect(report).toMatch(
    /^10: DECODE_FAILED: PAID \(byte 5\): .*\n.*: DECODE_FAILED: it ends in the middle of a record: 2 bytes are left over\n$/,
  )
})

test('a gateway that cannot take a record now: the file waits, and goes on where it stopped', async () => {
  await using opened = await open()
  opened.host.answer(new GatewayError('STORE_UNAVAILABLE', 'no store'))
  await writeFile(join(opened.path, 'a.dat'), '00010000100002000020')
  await expect.poll(() => opened.host.drafts.length, place).toBeGreaterThan(1)
  expect(new Set(opened.host.drafts.map(({ externalId }) => externalId))).toEqual(new Set(['a.dat:0']))
  expect(await opened.files()).toContain('a.dat')
  const before = opened.host.drafts.length
  opened.host.answer(undefined)
  await done(opened)
  const after = opened.host.drafts.slice(before).map(({ externalId }) => externalId)
  expect(after.slice(-2)).toEqual(['a.dat:0', 'a.dat:10'])
})

test('a refusal for good is reported, whatever else the file holds', async () => {
  await using opened = await open()
  opened.host.answer(new GatewayError('IDEMPOTENCY_MISMATCH', 'the same id with another content'))
  await writeFile(join(opened.path, 'a.dat'), '0001000010')
  await done(opened, 'failed')
  expect(await readFile(join(opened.path, 'failed/a.dat.report.txt'), 'utf8')).toBe(
    '0: IDEMPOTENCY_MISMATCH: the same id with another content\n',
  )
})

test('other endings, hidden files, folders and links are left alone; a file still written to waits', async () => {
  await using opened = await open()
  const { path } = opened
  await writeFile(join(root, 'outside.dat'), '0009000090')
  await Promise.all([
    writeFile(join(path, 'a.tmp'), '0001000010'),
    writeFile(join(path, '.b.dat'), '0001000010'),
    mkdir(join(path, 'c.dat')),
    symlink(join(root, 'outside.dat'), join(path, 'd.dat')),
  ])
  for (let row = 0; row < 5; row += 1) {
    await appendFile(join(path, 'e.part'), `000${row}000010`)
  }
  await rename(join(path, 'e.part'), join(path, 'e.dat'))
  await expect.poll(() => opened.files('done'), place).toEqual(['e.dat'])
  expect(opened.host.drafts).toHaveLength(5)
  expect(await opened.files()).toEqual(['.b.dat', 'a.tmp', 'c.dat', 'd.dat', 'done', 'failed'])
})

test('a large file is read piece by piece, every record once', async () => {
  await using opened = await open({ framing: { by: 'prefix', bytes: 2 } })
  const record = (row: number): string => `\0\n${String(row).padStart(4, '0')}000010`
  await writeFile(
    join(opened.path, 'a.dat'),
    Array.from({ length: 9000 }, (_none, row) => record(row)).join(''),
    'latin1',
  )
  await done(opened)
  expect(opened.host.drafts).toHaveLength(9000)
  expect(new Set(opened.host.drafts.map(({ externalId }) => externalId)).size).toBe(9000)
})

test('a file that cannot be read or moved stays, is logged once, and holds up none behind it', async () => {
  const told: unknown[] = []
  const quiet = testScope()
  const log = { ...quiet.log, error: (...said: unknown[]) => void told.push(said) }
  await using opened = await open({}, undefined, { ...quiet, log })
  // Its report would have a name that is too long.
  const long = `${'A'.repeat(251)}.dat`
  await writeFile(join(opened.path, long), '0001xxxxxx')
  await writeFile(join(opened.path, 'a.dat'), '0002000020')
  await done(opened)
  await writeFile(join(opened.path, 'b.dat'), '0003000030')
  await expect.poll(() => opened.files('done'), place).toEqual(['a.dat', 'b.dat'])
  expect(told).toMatchObject([['a file cannot be read or moved', { file: long }]])
  expect(await opened.files()).toContain(long)
})

test('a link that takes the place of a file which has been looked at is not followed', async () => {
  const path = join(root, 'swapped')
  const scope = testScope()
  let isSwapped = false
  const state: typeof scope.state = {
    ...scope.state,
    // Asked for between the look and the reading.
    async lease(...args) {
      if (!isSwapped) {
        isSwapped = true
        await symlink(join(root, 'secret.dat'), join(path, 'next'))
        await rename(join(path, 'next'), join(path, 'a.dat'))
      }
      return scope.state.lease(...args)
    },
  }
  await writeFile(join(root, 'secret.dat'), '0009000090')
  await using opened = await open({}, path, { ...scope, state })
  await writeFile(join(path, 'a.dat'), '0001000010')
  await expect.poll(() => isSwapped, place).toBe(true)
  await writeFile(join(path, 'b.dat'), '0002000020')
  await expect.poll(() => opened.files('done'), place).toEqual(['b.dat'])
  expect(opened.host.drafts.map(({ externalId }) => externalId)).toEqual(['b.dat:0'])
})

test('where what is done would be read again, the start says so', async () => {
  const path = join(root, 'circle')
  await expect(open({ folder: { path, done: `${path}/` } }, path)).rejects.toThrow(
    'is done would be read again',
  )
})

test('a folder that is not there is a mistake of the config, said at the start', async () => {
  await expect(open({ folder: { path: '/no/such/folder' } })).rejects.toThrow(/no such file/)
  const config = { copybooks: {}, records: [{ operation: 'X', copybook: 'x' }], folder: { path: 'relative' } }
  expect(await adapter.channel?.config['~standard'].validate(config)).toHaveProperty(
    'issues.0.message',
    'expected an absolute path',
  )
})

test('of several that share a state one reads at a time: nothing is handed in by both', async () => {
  const scope = testScope()
  const path = join(root, 'shared')
  const two = [await open({}, path, scope), await open({}, path, scope)]
  await writeFile(
    join(path, 'a.dat'),
    Array.from({ length: 500 }, (_none, row) => `${String(row).padStart(4, '0')}000010`).join(''),
  )
  await expect.poll(() => readdir(join(path, 'done')), place).toEqual(['a.dat'])
  for (const each of two) await each[Symbol.asyncDispose]()
  expect(two.flatMap(({ host }) => host.drafts)).toHaveLength(500)
})

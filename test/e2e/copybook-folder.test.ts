// A file of records and a gateway that dies in the middle of it: each record is in the log once, whatever was read twice.
import { cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'

const RECORDS = 1500
const example = join(import.meta.dirname, '../../plugins/_examples/copybook')
const quiet = `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({
  name: 'quiet',
  apiVersion: 1,
  agent: { config: z.strictObject({}), create: () => ({ answer: async () => undefined, [Symbol.asyncDispose]: async () => {} }) },
})`

interface Row {
  readonly externalId?: string
  readonly type: string
}

async function rows(base: string): Promise<readonly Row[]> {
  const all: Row[] = []
  for (let after = 0; ;) {
    const response = await fetch(`${base}/v1/conversations/claims/messages?after=${after}`)
    if (response.status === 404) return all
    const { messages, next } = (await response.json()) as { messages: Row[]; next: number } // a log page
    all.push(...messages)
    if (messages.length === 0 || next === after) return all
    after = next
  }
}

test('killed while it reads a file, started again: every record once, and the file is done', async () => {
  const directory = await temporaryDirectory()
  try {
    const incoming = join(directory, 'in')
    await mkdir(incoming)
    await cp(example, join(directory, 'plugins/copybook'), { recursive: true })
    await writeFile(join(directory, 'plugins/quiet.ts'), quiet)
    const yaml = JSON.stringify({
      channels: {
        web: { adapter: 'rest' },
        claims: {
          adapter: 'copybook',
          copybooks: { claim: '01 CLAIM.\n 05 CLAIM-NO PIC 9(6).\n 05 PAID PIC S9(5)V99 COMP-3.' },
          records: [{ operation: 'NewClaim', copybook: 'claim' }],
          folder: { path: incoming, everyMs: 50 },
          operations: {
            NewClaim: { kind: 'event', type: "'claim.new'", conversation: "'claims'", sender: "'claims'" },
          },
        },
      },
      agents: { quiet: { adapter: 'quiet' } },
      routes: [{ agent: 'quiet' }],
      plugins: './plugins',
    })
    const record = (row: number): string =>
      `${Array.from(String(row).padStart(6, '0'), (digit) => `f${digit}`).join('')}0000100d`
    const file = Buffer.from(Array.from({ length: RECORDS }, (_none, row) => record(row)).join(''), 'hex')
    {
      await using gateway = await startGateway({ yaml, directory })
      await writeFile(join(incoming, '.claims'), file)
      await rename(join(incoming, '.claims'), join(incoming, 'claims.dat'))
      await until(async () => ((await rows(gateway.base)).length > 50 ? true : undefined), 60_000)
      await gateway.kill()
    }
    expect(await readdir(incoming)).toContain('claims.dat')
    await using again = await startGateway({ yaml, directory })
    await until(
      async () => ((await readdir(join(incoming, 'done'))).includes('claims.dat') ? true : undefined),
      60_000,
    )
    const ids = (await rows(again.base))
      .filter(({ type }) => type === 'claim.new')
      .map(({ externalId }) => externalId)
    expect(ids).toEqual(Array.from({ length: RECORDS }, (_none, row) => `claims.dat:${row * 10}`))
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
})

// A file of records and a gateway that dies in the middle of it: each record is in the log once, whatever was read twice.
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { metric } from '../support/rest.ts'

const RECORDS = 1500
const POLICY = '0000000007'
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

/** The config of its README, with a folder of the test's and an agent that is there. */
async function readmeConfig(folder: string): Promise<string> {
  const [, yaml = ''] =
    /^```yaml\n(.*?)^```/msu.exec(await readFile(join(example, 'README.md'), 'utf8')) ?? []
  return yaml
    .replace('path: /tmp,', `path: ${folder}, everyMs: 50,`)
    .replace('port: 7001', `port: ${await freePort()}`)
    .replace(/adapter: webhook, url: \S+/u, 'adapter: quiet')
}

async function rows(base: string): Promise<readonly Row[]> {
  const all: Row[] = []
  for (let after = 0; ;) {
    const response = await fetch(`${base}/v1/conversations/${POLICY}/messages?after=${after}`)
    if (response.status === 404) return all
    const { messages, next } = (await response.json()) as { messages: Row[]; next: number } // a log page
    all.push(...messages)
    if (messages.length === 0 || next === after) return all
    after = next
  }
}

test('by the config of its README, killed while it reads a file, started again: every record once and told to its agent, and the file is done', async () => {
  const directory = await temporaryDirectory()
  try {
    const incoming = join(directory, 'in')
    await mkdir(incoming)
    await cp(example, join(directory, 'plugins/copybook'), { recursive: true })
    await writeFile(join(directory, 'plugins/quiet.ts'), quiet)
    const yaml = await readmeConfig(incoming)
    const digits = (text: string): string => Array.from(text, (digit) => `f${digit}`).join('')
    const record = (row: number): string =>
      `${digits(String(row).padStart(8, '0'))}${digits(POLICY)}000000100c`
    const file = Buffer.from(Array.from({ length: RECORDS }, (_none, row) => record(row)).join(''), 'hex')
    {
      await using gateway = await startGateway({ yaml, directory })
      await writeFile(join(incoming, 'day.part'), file)
      await rename(join(incoming, 'day.part'), join(incoming, 'day.claims'))
      await until(async () => ((await rows(gateway.base)).length > 50 ? true : undefined), 60_000)
      await gateway.kill()
    }
    expect(await readdir(incoming)).toContain('day.claims')
    await using again = await startGateway({ yaml, directory })
    await until(
      async () => ((await readdir(join(incoming, 'done'))).includes('day.claims') ? true : undefined),
      60_000,
    )
    const ids = (await rows(again.base))
      .filter(({ type }) => type === 'claim.new')
      .map(({ externalId }) => externalId)
    expect(ids).toEqual(Array.from({ length: RECORDS }, (_none, row) => `day.claims:${row * 23}`))
    await until(async () => ((await metric(again.base, 'dragoman_queue_depth')) === 0 ? true : undefined))
    expect(await metric(again.base, 'dragoman_dead_letters')).toBe(0)
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
})

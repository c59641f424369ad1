// SEMANTICS 19: a dead letter is sent again as the operator's editor left it.
import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startBot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import { metric, post } from '../support/rest.ts'

interface Shown {
  readonly message: Readonly<Record<string, unknown>>
}

const cli = resolve(import.meta.dirname, '../../bin/dragoman.ts')

/** A gateway with one dead letter that has every member, whose edited form is dead again. */
async function world() {
  const bot = await startBot(() => ({ status: 400 }))
  const gateway = await startGateway({
    yaml: `
http: { bodyLimit: 4mb }
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper }]
`,
  })
  const where = ['--config', join(gateway.directory, 'gateway.yaml')]
  where.push('--data', join(gateway.directory, 'data'))
  const editor = join(gateway.directory, 'editor.sh')
  const written = join(gateway.directory, 'written.json')
  await writeFile(editor, `#!/bin/sh\ncp "${written}" "$1"\n`)
  await chmod(editor, 0o755)
  const temporary = join(gateway.directory, 'temporary')
  await mkdir(temporary)
  const dead = async (...given: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(process.execPath, [cli, 'dead', ...given, ...where], {
      env: { ...process.env, EDITOR: editor, VISUAL: editor, TMPDIR: temporary },
      maxBuffer: 2 ** 26,
    })
    return stdout
  }
  const letter = async (): Promise<string> => {
    const letters = await until(async () => {
      if ((await metric(gateway.base, 'dragoman_dead_letters')) !== 1) return undefined
      const found = JSON.parse(await dead('list', '--json')) as { id: string }[] // our own command
      return found.length === 1 ? found : undefined
    }, 20_000)
    return letters[0]?.id ?? ''
  }
  const message = async (id: string): Promise<Shown['message']> =>
    (JSON.parse(await dead('show', id, '--json')) as Shown).message // our own command
  return {
    gateway,
    message,
    letter,
    say: (said: object) => post(`${gateway.base}/v1/messages`, { sender: { id: 'ann' }, ...said }),
    edit: async (content: string, ...given: readonly string[]) => {
      await writeFile(written, content)
      return await dead('edit', await letter(), ...given)
    },
    written,
    dead,
    /** What the editor left behind. */
    left: () => readdir(temporary),
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      await bot[Symbol.asyncDispose]()
    },
  }
}

const all = {
  text: 'wrong',
  data: { order: '007' },
  metadata: { shop: 'south' },
  priority: 'high',
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
}

/** What a command says that was refused, the file it kept, and the words it says to go on with. */
async function keptOf(refused: Promise<unknown>) {
  const { stderr: said } = (await refused.catch((error: unknown) => error)) as { readonly stderr: string } // what execFile rejects with
  const [, file = '', words = ''] =
    /^What you wrote is kept in (\S+): dragoman dead (edit \S+ --file \1)/mu.exec(said) ?? []
  return { said, file, words: words.split(' '), text: await readFile(file, 'utf8') }
}

test('what was written is kept where it is no JSON', { timeout: 120_000 }, async () => {
  await using it = await world()
  await it.say(all)
  const slip = '{ "text": "right", "data": null, '
  const kept = await keptOf(it.edit(slip))
  expect(kept.said).toContain('what was written is not a JSON object')
  expect(kept.said).toContain('null takes a member away')
  expect(kept.text).toBe(slip)
  await writeFile(kept.file, `${slip} "priority": "low" }`)
  await it.dead(...kept.words)
  const message = await it.message(await it.letter())
  expect(message).toMatchObject({ parts: [{ text: 'right' }], metadata: all.metadata, priority: 'low' })
  expect(message).not.toHaveProperty('data')
})

test('what is deleted in the editor is taken away', { timeout: 120_000 }, async () => {
  await using it = await world()
  await it.say(all)
  const first = await it.letter()
  const { type } = await it.message(first)
  const asBefore = { type, ...all, parts: [{ kind: 'text', text: 'wrong' }], text: undefined }
  await expect(it.edit(JSON.stringify({ ...asBefore, type: undefined }))).rejects.toThrow(
    'type cannot be taken away',
  )
  expect(await it.left()).toHaveLength(1)
  await expect(it.edit(JSON.stringify(asBefore))).rejects.toThrow('nothing was changed')
  expect(await it.left()).toHaveLength(1)
  await expect(it.edit(JSON.stringify({ type }))).rejects.toThrow('a message needs parts or data')
  expect(await it.letter()).toBe(first)

  await it.edit(JSON.stringify({ type, text: 'right' }))
  const second = await it.message(await it.letter())
  expect(second).toMatchObject({ parts: [{ kind: 'text', text: 'right' }], sender: { id: 'ann' } })
  for (const gone of ['data', 'metadata', 'priority', 'expiresAt']) expect(second).not.toHaveProperty(gone)

  expect(await it.left()).toHaveLength(2)
  const refused = await keptOf(it.edit(JSON.stringify({ type, data: { order: '008' }, priority: 'hgih' })))
  expect(refused.said).toMatch(/the gateway answered 400: [^]*priority/u)
  expect(JSON.parse(refused.text)).toEqual({ type, data: { order: '008' }, priority: 'hgih', parts: null })
  await writeFile(refused.file, refused.text.replace('hgih', 'high'))
  await it.dead(...refused.words)
  const third = await it.message(await it.letter())
  expect(third).toMatchObject({ data: { order: '008' } })
  expect(third).not.toHaveProperty('parts')
})

test(
  'a file says null for what is to be taken away, and what it does not name stays',
  { timeout: 120_000 },
  async () => {
    await using it = await world()
    await it.say(all)
    await it.edit(JSON.stringify({ data: null, priority: null }), '--file', it.written)
    const message = await it.message(await it.letter())
    expect(message).toMatchObject({ metadata: all.metadata, parts: [{ text: 'wrong' }] })
    expect(message).not.toHaveProperty('data')
    expect(message).not.toHaveProperty('priority')
  },
)

test('numbers keep their digits in the editor', { timeout: 120_000 }, async () => {
  await using it = await world()
  await it.say(all)
  await it.edit('{ "data": { "order": 12345678901234567890, "sum": 1.10 } }', '--file', it.written)
  expect(await it.message(await it.letter())).toMatchObject({
    data: { order: '12345678901234567890', sum: '1.10' },
  })
})

test('a dead letter as large as a channel takes is edited', { timeout: 120_000 }, async () => {
  await using it = await world()
  await it.say({ ...all, text: 'x\n'.repeat(1_900_000 / 2) })
  const text = 'y\n'.repeat(1_000_000)
  await it.edit(JSON.stringify({ text }), '--file', it.written)
  expect(await it.message(await it.letter())).toMatchObject({ parts: [{ kind: 'text', text }] })
})

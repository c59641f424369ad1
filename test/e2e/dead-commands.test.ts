// SEMANTICS 19, DESIGN §5: dead letters from the command line: listed, shown, edited, replayed, dropped.
import { execFile } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import { metric, readLog, say, texts } from '../support/rest.ts'

test('dragoman dead: list, show, edit in an editor, replay, drop', { timeout: 120_000 }, async () => {
  await using bot = await startBot(() => ({ status: 400 }))
  await using gateway = await startGateway({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper }]
`,
  })
  const cli = resolve(import.meta.dirname, '../../bin/dragoman.ts')
  const config = join(gateway.directory, 'gateway.yaml')
  const editor = join(gateway.directory, 'editor.sh')
  await writeFile(editor, '#!/bin/sh\nsed -i s/broken/mended/ "$1"\n')
  await chmod(editor, 0o755)
  const command = async (...given: readonly string[]): Promise<string> => {
    const where = ['--config', config, '--data', join(gateway.directory, 'data')]
    const { stdout } = await promisify(execFile)(process.execPath, [cli, ...given, ...where], {
      env: { ...process.env, EDITOR: editor, VISUAL: editor },
    })
    return stdout
  }
  const dead = (...given: readonly string[]): Promise<string> => command('dead', ...given)
  const areDead = (count: number): Promise<true> =>
    until(
      async () => ((await metric(gateway.base, 'dragoman_dead_letters')) === count ? true : undefined),
      20_000,
    )
  for (const text of ['broken', 'two', 'three']) await say(gateway.base, text, { customer: text })
  await areDead(3)
  const letters = JSON.parse(await dead('list', '--json')) as { id: string; sender: string }[]
  const idOf = (sender: string): string => letters.find((one) => one.sender === sender)?.id ?? ''
  expect(await dead('list', '--code', 'AGENT_FAILED')).toMatch(/ID +SINCE.*\n.*AGENT_FAILED/u)
  const shown = await dead('show', idOf('broken'))
  expect(shown).toContain('As it came (application/json):')
  expect(shown).toContain('"text":"broken"')
  expect(shown).toMatch(/ {2}1 {2}\S+Z {2}[\d.]+ ms {2}agent helper {2}AGENT_FAILED/u)
  bot.answer = (asked) => ({ body: { text: `echo ${textOf(asked)}` } })
  expect(await dead('edit', idOf('broken'))).toContain('goes again as')
  await until(async () => ((await readLog(gateway.base, 'web:broken')).length === 3 ? true : undefined))
  expect(texts(await readLog(gateway.base, 'web:broken'))).toContain('outbound: echo mended')
  // One that is gone stands in no other's way.
  await expect(dead('drop', 'nobody', idOf('three'), '--reason', 'old')).rejects.toMatchObject({
    code: 1,
    stdout: `${idOf('three')} dropped.\n`,
    stderr: 'dragoman: nobody: the gateway answered 404: no dead letter has the id nobody (any more)\n',
  })
  await expect(dead('replay')).rejects.toThrow('--all')
  await expect(dead('replay', 'nobody', idOf('two'))).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^\S+ goes again as \S+ \(web:two #2\)\.\n$/u),
    stderr: expect.stringContaining('nobody: '),
  })
  expect(await dead('replay', '--kind', 'message')).toBe('0 replayed.\n')
  // None runs: its file is read, and nothing can be sent.
  bot.answer = () => ({ status: 400 })
  await say(gateway.base, 'last', { customer: 'last' })
  await areDead(1)
  await gateway.stop()
  expect(await dead()).toContain('last by web')
  await expect(dead('drop', 'x')).rejects.toThrow('no gateway runs')
  // What is wrong with the rest of the config is in the way of a start, not of who looks.
  const [letter] = JSON.parse(await dead('list', '--json')) as [{ id: string }]
  const whole = await readFile(config, 'utf8')
  for (const [mistaken, problem] of [
    [whole.replace('agent: helper', 'agent: helpr'), 'agent "helpr" is not defined'],
    [whole.replace(bot.url, '${NO_SUCH_BOT}'), 'NO_SUCH_BOT is not set'],
  ] as const) {
    await writeFile(config, mistaken)
    expect(await dead('list')).toContain('last by web')
    expect(await dead('show', letter.id)).toContain('"text":"last"')
    expect(await command('trace', letter.id)).toContain('AGENT_FAILED')
    await expect(dead('drop', 'x')).rejects.toThrow(
      new RegExp(
        `no gateway runs on the data in .*, and none starts with the config as it is:\n.*${problem}`,
      ),
    )
  }
  await writeFile(config, `${whole}store: { url: "\${NO_SUCH_REDIS}" }\n`)
  await expect(dead('list')).rejects.toThrow('NO_SUCH_REDIS is not set')
})

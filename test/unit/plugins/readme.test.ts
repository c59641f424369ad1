import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { testConversation, testMessage, testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

import { loadPlugins } from '../../../core/plugins/load.ts'

const readme = readFileSync(new URL('../../../plugins/README.md', import.meta.url), 'utf8')

function block(language: string): string {
  const [, text] = new RegExp(`^\`\`\`${language}\n(.*?)\`\`\``, 'ms').exec(readme) ?? []
  if (text === undefined) throw new Error(`the README has no ${language} block`)
  return text
}

test('the plugin of the README loads as it stands there and answers as the config beside it says', async () => {
  const root = await mkdtemp(join(tmpdir(), 'readme-'))
  try {
    const [, name = ''] = /^\/\/ plugins\/(\S+)\n/.exec(block('ts')) ?? []
    await writeFile(join(root, name), block('ts'))
    await using loaded = await loadPlugins(root)
    const { plugins, adapters } = loaded
    expect(plugins.map(({ failure }) => failure)).toStrictEqual([undefined])
    const config = parse(block('yaml')) as { agents: { parrot: { adapter: string; greeting: string } } } // as it stands there
    const { adapter, ...own } = config.agents.parrot
    const found = adapters.find((each) => each.name === adapter)
    expect(await found?.agent?.config['~standard'].validate(own)).toStrictEqual({ value: own })
    const agent = found?.agent?.create(own, testScope())
    await agent?.start?.(new AbortController().signal)
    expect(await agent?.answer(testMessage(), testConversation, new AbortController().signal)).toStrictEqual({
      text: 'I heard: hello',
    })
  } finally {
    await rm(root, { recursive: true })
  }
})

test('the test of the README passes as it stands there, by the command it names', async () => {
  const root = await mkdtemp(join(tmpdir(), 'readme-'))
  try {
    const plugins = join(root, 'plugins')
    await mkdir(plugins)
    await writeFile(join(plugins, 'echo.ts'), block('ts'))
    await writeFile(join(plugins, 'echo.test.ts'), block('ts test'))
    await writeFile(join(root, 'gateway.yaml'), `${block('yaml')}plugins: ./plugins\n`)
    expect(block('sh walk')).toContain('dragoman plugins test')
    const bin = fileURLToPath(new URL('../../../bin/dragoman.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [bin, 'plugins', 'test', 'echo'], {
      cwd: root,
    })
    expect(stdout).toMatch(/1 passed/)
  } finally {
    await rm(root, { recursive: true })
  }
})

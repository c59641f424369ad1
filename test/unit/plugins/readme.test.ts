import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { testConversation, testMessage, testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

import { loadPlugins } from '../../../core/plugins/load.ts'

const readme = readFileSync(new URL('../../../plugins/README.md', import.meta.url), 'utf8')

function block(language: string): string {
  const [, text] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(readme) ?? []
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

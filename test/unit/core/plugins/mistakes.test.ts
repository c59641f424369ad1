// Mistakes of plugin authors, each told with its file, its line, the problem and the cure (plugins/README).
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import { temporaryDirectory } from '../../../support/gateway.ts'
import { versioned } from '../../../support/plugin-sources.ts'

/** By a plugin's name: its files, and what its author is told. */
type Mistakes = Readonly<Record<string, readonly [files: Readonly<Record<string, string>>, told: RegExp]>>

/** Loads all of them at once. */
async function expectTold(mistakes: Mistakes): Promise<void> {
  const root = await temporaryDirectory()
  onTestFinished(async () => rm(root, { recursive: true }))
  for (const [files] of Object.values(mistakes))
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true })
      await writeFile(join(root, name), text)
    }
  await using set = new Plugins({ log: { child: () => noLog }, builtIn: [] })
  const { plugins } = await set.load({ directory: root })
  expect(Object.fromEntries(plugins.map(({ name, failure }) => [name, failure?.message]))).toEqual(
    Object.fromEntries(
      Object.entries(mistakes).map(([name, [, told]]) => [name, expect.stringMatching(told)]),
    ),
  )
}

test('a role that is misspelt beside another is refused', async () => {
  await expectTold({
    slip: [
      { 'slip.ts': versioned('slip', 1).replace('agent: {', 'agnet: {') },
      /^slip\.ts:\d+: the default export has `agnet` \(did you mean `agent`\?\): write `agent`$/u,
    ],
  })
})

import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

const house = join(import.meta.dirname, '../../..')

test.each(['copybook', 'sap-rfc'])(
  'the config in the README of the example %s works as it stands there, with the example as a plugin',
  async (name) => {
    const root = await mkdtemp(join(tmpdir(), 'example-'))
    try {
      const folder = join(house, 'plugins/_examples', name)
      await cp(folder, join(root, 'plugins', name), { recursive: true })
      const [, yaml = ''] =
        /^```yaml\n(.*?)^```/ms.exec(await readFile(join(folder, 'README.md'), 'utf8')) ?? []
      await writeFile(join(root, 'gateway.yaml'), `${yaml}plugins: ./plugins\n`)
      const args = [join(house, 'bin/dragoman.ts'), 'check', '--config', join(root, 'gateway.yaml')]
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
      expect(stdout).toMatch(/\S/)
    } finally {
      await rm(root, { recursive: true })
    }
  },
)

// A Node that is too old is told so in words: the program itself it could not even read.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }

const LAUNCH = resolve(import.meta.dirname, '../../../bin/launch.js')

/** Nodes that this machine has beside the one that runs the tests, of versions that are too old. */
function oldNodes(): readonly string[] {
  const places = ['/usr/bin/node', '/usr/local/bin/node', '/opt/node/bin/node']
  return places.filter((place) => {
    try {
      return Number(execFileSync(place, ['--version'], { encoding: 'utf8' }).slice(1).split('.')[0]) < 24
    } catch {
      return false // there is none
    }
  })
}

function run(node: string, ...args: readonly string[]): ReturnType<typeof spawnSync> {
  return spawnSync(node, args, { encoding: 'utf8' })
}

test('an old Node is told which one is needed, and how to get it; nothing else is loaded', () => {
  const claimed =
    '--import=data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"22.11.0"}})'
  const { status, stdout, stderr } = run(process.execPath, claimed, LAUNCH, '--version')
  expect(status).toBe(1)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^dragoman: Node 24 or later is needed, and this is Node 22\.11\.0 \(\/.*\)\.\n/)
  expect(stderr).toContain('npm run dragoman -- COMMAND')
})

test.each(oldNodes().map((node) => [node]))('a really old one: %s', (node) => {
  const { status, stderr } = run(node, LAUNCH, 'start')
  expect(status).toBe(1)
  expect(stderr).toMatch(/^dragoman: Node 24 or later is needed, and this is Node \d+\./)
  expect(stderr).not.toMatch(/at |Error|Warning/)
})

test('it is what npx runs, it has no syntax that Node 16 lacks, and a new Node goes on to the program', () => {
  expect(packageJson.bin).toEqual({ dragoman: './bin/launch.js' })
  expect(readFileSync(LAUNCH, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  expect(readFileSync(LAUNCH, 'utf8')).not.toMatch(/^import |\?\?=|\busing\b/m)
  const { status, stdout } = run(process.execPath, LAUNCH, '--version')
  expect([status, stdout]).toEqual([0, `${packageJson.version}\n`])
})

// The editor of `dragoman dead edit`: which one it is, and what becomes of a letter whose editor is interrupted.
import { spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../../../support/gateway.ts'

const CORRECTED = '{"type":"text","text":"right"}'

/** Edits by a shell script whose $1 is the letter; in a process group of its own, as at a terminal. */
async function edited(script: string, env: NodeJS.ProcessEnv = {}) {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const editor = join(directory, 'editor.sh')
  await writeFile(editor, script)
  const child = spawn(process.execPath, [join(import.meta.dirname, 'dead-editor-child.ts')], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: directory, EDITOR: `sh ${editor}`, ...env },
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  const [out, said, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { out, said, status }
}

test('VISUAL that is set to nothing is as not set', async () => {
  const { out, said } = await edited(`echo '${CORRECTED}' > "$1"`, { VISUAL: '' })
  expect([out, said]).toEqual(['{"text":"right"}', ''])
})

test('what was written is kept and told when Ctrl+C ends the editor', async () => {
  const { out, said, status } = await edited(`echo '${CORRECTED}' > "$1"; kill -INT 0; sleep 30`)
  expect([out, status]).toEqual(['', 1])
  expect(said).toContain('ended with 130; nothing was sent')
  const [, file = ''] = /^What you wrote is kept in (\S+): dragoman dead edit m1 --file/mu.exec(said) ?? []
  expect(await readFile(file, 'utf8')).toBe(`${CORRECTED}\n`)
})

test('an editor that Ctrl+C does not end goes on, and what it leaves is sent', async () => {
  const { out, status } = await edited(`trap '' INT; kill -INT 0; echo '${CORRECTED}' > "$1"`)
  expect([out, status]).toEqual(['{"text":"right"}', 0])
})

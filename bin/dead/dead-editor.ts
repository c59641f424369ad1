// What an operator writes anew of a dead letter, in his editor or in a file.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayError } from '../../core/api.ts'
import type { Message } from '../../core/api.ts'
import { parseExact } from '../../core/json.ts'
import { fail } from '../fail.ts'

export type Members = Readonly<Record<string, unknown>>

/** What may be written anew. */
export function contentOf(message: Message): Members {
  const { type, parts, data, metadata, priority, expiresAt } = message
  return {
    type,
    ...(parts !== undefined && { parts }),
    ...(data !== undefined && { data }),
    ...(metadata !== undefined && { metadata }),
    ...(priority !== undefined && { priority }),
    ...(expiresAt !== undefined && { expiresAt }),
  }
}

/** What a file of members changes. Throws `DECODE_FAILED` where that is nothing. */
export function changesOf(before: Members, after: Members): Members {
  const changes = Object.entries(after).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]),
  )
  if (changes.length === 0) throw new GatewayError('DECODE_FAILED', UNCHANGED)
  return Object.fromEntries(changes)
}
const UNCHANGED = 'nothing was changed: "dragoman dead replay" sends it as it is'

/**
 * Has it edited and sends the changes. What was written and not taken is kept, whatever the reason, and it is told how to go on
 * with it: by `--file`, for which it says null where a member was deleted. Never throws: what went wrong is told.
 */
export async function sendEdited(
  id: string,
  content: Members,
  send: (changes: Members) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dragoman-')) // mode 0700
  const file = join(folder, 'message.json')
  const given = textOf(content)
  let kept: string | undefined
  try {
    writeFileSync(file, given)
    const failure = openEditor(file)
    const written = readFileSync(file, 'utf8')
    const goOn = `What you wrote is kept in ${file}: dragoman dead edit ${id} --file ${file}`
    if (written !== given) kept = `${goOn} (in which null takes a member away)`
    if (failure !== undefined) throw failure
    const after = withoutOmitted(content, jsonOf(written, 'what was written'))
    kept = undefined
    const changes = changesOf(content, after)
    kept = goOn
    writeFileSync(file, textOf(after))
    await send(changes)
    kept = undefined
  } catch (error) {
    fail(error)
    if (kept !== undefined) console.error(kept)
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Throws `DECODE_FAILED` where a text is no object. */
export function jsonOf(text: string, what: string): Members {
  try {
    const value = parseExact(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members // an object
    throw new SyntaxError('it is no object')
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', `${what} is not a JSON object`, { cause: error })
  }
}

/** What was deleted in the editor is to be taken away, unless `text` stands for the parts. Throws `DECODE_FAILED`. */
function withoutOmitted(before: Members, after: Members): Members {
  const omitted = Object.keys(before).filter(
    (name) => !(name in after) && !(name === 'parts' && 'text' in after),
  )
  if (omitted.includes('type'))
    throw new GatewayError('DECODE_FAILED', 'type cannot be taken away: every message has one')
  return { ...after, ...Object.fromEntries(omitted.map((name) => [name, null])) }
}

/** Why it ended badly. */
function openEditor(file: string): GatewayError | undefined {
  const { VISUAL, EDITOR } = process.env
  const editor = VISUAL || EDITOR || 'vi' // set to nothing is as not set
  // Ctrl+C goes to all at the terminal: whether to end by it is the editor's to say, and ours to keep what was written.
  process.on('SIGINT', leaveToEditor)
  try {
    // $EDITOR may hold options, as for git. The shell waits as we do.
    const given = ['-c', `trap : INT; ${editor} "$1"`, 'sh', file]
    const { status, error } = spawnSync('sh', given, { stdio: 'inherit' })
    if (error === undefined && status === 0) return undefined
    return new GatewayError('DECODE_FAILED', `the editor "${editor}" ended with ${status}; nothing was sent`)
  } finally {
    process.off('SIGINT', leaveToEditor)
  }
}

function leaveToEditor(): void {
  // What it ends with is told.
}

function textOf(content: Members): string {
  return `${JSON.stringify(content, null, 2)}\n`
}

// What the tests of the documents share: their text, the code blocks in it, and the command line.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

export const root = resolve(import.meta.dirname, '../..')
export const BIN = join(root, 'bin/dragoman.ts')

/** The text of a file of the house. */
export function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** The fenced blocks of one language, in order. */
export function blocksOf(text: string, language: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gmu'))].map(
    ([, block = '']) => block,
  )
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, whatever its status. */
export async function run(command: string, args: readonly string[], cwd = root): Promise<Ran> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, [...args], { cwd, timeout: 60_000 })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as Ran // what execFile rejects with
    return { code, stdout, stderr }
  }
}

/** Runs a command of the command line. */
export function dragoman(args: readonly string[], cwd?: string): Promise<Ran> {
  return run(process.execPath, [BIN, ...args], cwd)
}

// `dragoman new adapter NAME`: a plugin to begin from, with its test and its README; the test passes at once.
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { GatewayError } from '../../core/api.ts'
import { builtInNames } from '../adapters.ts'
import { configFile, ownPlugins } from '../config-file.ts'
import { fail } from '../fail.ts'
import { adapterFiles } from './new-adapter-text.ts'
import type { AdapterRole } from './new-adapter-text.ts'

export interface NewAdapterOptions {
  readonly config?: string
  /** Where it is written; default: the config's plugins folder. */
  readonly plugins?: string
  readonly channel?: boolean
  readonly backend?: boolean
  readonly agent?: boolean
}

export async function newAdapter(name: string, options: NewAdapterOptions): Promise<void> {
  try {
    if (!/^[a-z][a-z0-9-]*$/.test(name))
      throw new GatewayError(
        'DECODE_FAILED',
        `"${name}" cannot be an adapter's name: lower case letters, digits and hyphens are needed`,
      )
    if (builtInNames.includes(name))
      throw new GatewayError('DECODE_FAILED', `"${name}" is a built-in adapter: choose another name`)
    const directory = options.plugins ?? (await ownPlugins(configFile(options.config)))
    const folder = join(directory, name)
    for (const taken of [folder, `${folder}.ts`, `${folder}.js`])
      if (existsSync(taken)) throw new GatewayError('FORBIDDEN', `${taken} is there already`)
    const role = await roleOf(options)
    if (role === undefined) {
      process.exitCode = LEFT
      return
    }
    const files = adapterFiles(name, role)
    await mkdir(folder, { recursive: true, mode: 0o755 })
    // The entry last: a gateway that watches the folder takes it over whole.
    for (const [file, text] of files) await writeFile(join(folder, file), text, { mode: 0o644 })
    const shown = relative('.', folder)
    const where = options.plugins === undefined ? '' : ` --plugins ${quoted(options.plugins)}`
    const takenOver =
      options.plugins === undefined
        ? 'a gateway that runs takes it over as you save'
        : `a gateway takes it over if that folder is the \`plugins\` of its config`
    console.log(`${files.map(([file]) => join(shown, file)).join('\n')}

Its test:  npx dragoman plugins test ${name}${where}
What to put into gateway.yaml stands in ${join(shown, 'README.md')}; ${takenOver}.`)
  } catch (error) {
    fail(error)
  }
}

/** For a shell. */
function quoted(path: string): string {
  return /^[\w./@+-]+$/u.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}

const ROLES = ['channel', 'backend', 'agent'] as const satisfies readonly AdapterRole[]
/** As a shell has it for who was ended by Ctrl-C. */
const LEFT = 130

/** Undefined: whoever was asked has left. */
async function roleOf(options: NewAdapterOptions): Promise<AdapterRole | undefined> {
  const [named, other] = ROLES.filter((each) => options[each] === true)
  if (other !== undefined)
    throw new GatewayError('DECODE_FAILED', `--${named} and --${other}: an adapter is begun as one of them`)
  if (named !== undefined) return named
  if (!process.stdin.isTTY) return 'backend'
  const ask = createInterface({ input: process.stdin, output: process.stdout })
  const leaving = new AbortController()
  ask.once('close', () => leaving.abort()) // Ctrl-C, and Ctrl-D, on which a question alone would wait for ever
  try {
    const said = await ask
      .question(
        'Does it face callers (channel), a business system (backend), or does it answer (agent)? [backend] ',
        { signal: leaving.signal },
      )
      .catch((error: unknown) => {
        if (leaving.signal.aborted || (error instanceof Error && error.name === 'AbortError'))
          return undefined
        throw error
      })
    if (said === undefined) {
      console.log('')
      return undefined
    }
    if (said.trim() === '') return 'backend'
    const found = ROLES.find((each) => each.startsWith(said.trim().toLowerCase()))
    if (found === undefined)
      throw new GatewayError('DECODE_FAILED', `"${said}" is none of channel, backend, agent`)
    return found
  } finally {
    ask.close()
  }
}

// The running gateway as the commands reach it: it leaves its address and the admin token in its data folder.
import { join } from 'node:path'
import type { Overrides } from '../../config/load.ts'
import { GatewayError } from '../../core/api.ts'
import { noToken } from '../../core/http/secrets.ts'
import { readOwn } from '../../core/planted-file.ts'
import { isAlive } from './alive.ts'
import { ConfigError, configFile, dataFolder, loadSections, loadWithoutPlugins } from '../config-file.ts'
import { checkFolder, foreign, isForeign } from './data-folder.ts'
import { callLocally, localGateway } from './local-gateway.ts'
import type { LocalAnswer } from './local-gateway.ts'
import { inLine, pad, widthOf } from '../printable.ts'

export interface AdminOptions {
  readonly config?: string
  readonly data?: string
  readonly json?: boolean
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly body?: unknown
  /** Milliseconds; where an answer may take longer than 10 s. */
  readonly limitMs?: number
}

/** For what starts components, or goes through many messages. */
export const LONG_MS = 120_000

/**
 * Asks `/admin/v1`. Throws `CHANNEL_GONE` where no gateway runs, `AUTH_FAILED` where another listens in its place or it takes none of the
 * tokens that are known here (a `ConfigError` where a mistake of the config hides its token), `FORBIDDEN` where another user may have put
 * what was left in the data folder, `NOT_FOUND` and `INTERNAL` with what the gateway answered, its status and its words alone (`detail`),
 * where it refuses, and `DEADLINE_EXCEEDED` where it does not answer. Without a gateway nobody is sent anything.
 */
export type Admin = (path: string, ask?: Ask) => Promise<unknown>

export async function adminOf(options: AdminOptions): Promise<Admin> {
  const overrides = options.data === undefined ? {} : { data: options.data }
  const { dataDirectory, configured, mistaken } = await whereabouts(configFile(options.config), overrides)
  checkFolder(dataDirectory)
  const [gateway, tokens] = await left(dataDirectory, () =>
    Promise.all([localGateway(dataDirectory), tokensOf(dataDirectory, configured)]),
  )
  const asked = async (token: string, path: string, { method, body, limitMs }: Ask): Promise<LocalAnswer> => {
    if (!isAlive(dataDirectory)) throw notRunning(dataDirectory)
    try {
      return await callLocally(gateway, `/admin/v1/${path}`, {
        method: method ?? 'GET',
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        limitMs,
      })
    } catch (error) {
      throw error instanceof GatewayError ? error : notRunning(dataDirectory, error)
    }
  }
  return async (path, ask = {}) => {
    let response: LocalAnswer | undefined
    for (const token of tokens) {
      response = await asked(token, path, ask)
      if (response.status !== 401) break
    }
    if (response === undefined) {
      if (!isAlive(dataDirectory)) throw notRunning(dataDirectory)
      throw mistaken ?? ofItsStart('the config names no admin.token, and there is none in the data folder')
    }
    const answer = jsonOf(response, gateway.origin)
    if (response.status < 300) return answer
    if (response.status === 401)
      throw mistaken !== undefined && configured === undefined
        ? mistaken
        : ofItsStart('the gateway does not take the admin token', mistaken)
    const detail =
      typeof answer === 'object' && answer !== null && 'detail' in answer ? String(answer.detail) : ''
    const code = response.status === 404 ? 'NOT_FOUND' : 'INTERNAL'
    const { status } = response
    throw new GatewayError(code, `the gateway answered ${status}: ${detail}`, { status, detail })
  }
}

/** Its token is one of those things that no reload changes; with a config that has a mistake it would not start again. */
function ofItsStart(what: string, mistaken?: ConfigError): GatewayError {
  const why = `${what}: the running one has that of its start, so`
  const again = 'let the config name that one again'
  return mistaken === undefined
    ? new GatewayError('AUTH_FAILED', `${why} restart it, or ${again}`)
    : new GatewayError(
        'AUTH_FAILED',
        `${why} ${again}; and no start is possible with the config as it is:\n${mistaken.message}`,
        { cause: mistaken },
      )
}

function jsonOf({ status, body }: LocalAnswer, origin: string): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new GatewayError(
      'AUTH_FAILED',
      `something else listens at ${origin}: its answer (${status}) is not one of the gateway's`,
      { cause: error },
    )
  }
}

interface Whereabouts {
  readonly dataDirectory: string
  /** The token, where the config says it. */
  readonly configured?: string | undefined
  /** What is wrong with the config: a gateway that is started again with it ends. */
  readonly mistaken?: ConfigError
}

/**
 * Also of a gateway whose file has a mistake by now: then there is most to ask. Throws `CHANNEL_GONE` with the mistake where none runs, a
 * `ConfigError` where the file does not tell the folder.
 */
async function whereabouts(file: string, overrides: Overrides): Promise<Whereabouts> {
  try {
    const { dataDirectory, admin } = await loadWithoutPlugins(file, overrides)
    return { dataDirectory, configured: admin.token }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const dataDirectory = await dataFolder(file, overrides)
    if (dataDirectory === undefined) throw error
    checkFolder(dataDirectory)
    if (!isAlive(dataDirectory)) throw noneStarts(dataDirectory, error)
    return { dataDirectory, configured: await tokenOf(file), mistaken: error }
  }
}

async function tokenOf(file: string): Promise<string | undefined> {
  try {
    return (await loadSections(file, {}, ['admin'])).admin.token
  } catch (error) {
    if (error instanceof ConfigError) return undefined // where no token is taken it is told what is wrong
    throw error
  }
}

async function left<T>(directory: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (isMissing(error)) throw notRunning(directory, error)
    throw isForeign(error) ? foreign(directory, error) : error
  }
}

/** What the running gateway may have been started with: the configured one, and that which a start without one had made. */
async function tokensOf(dataDirectory: string, configured: string | undefined): Promise<readonly string[]> {
  const file = join(dataDirectory, 'admin.token')
  let made
  try {
    made = readOwn(file).trim()
  } catch (error) {
    if (configured === undefined && !isMissing(error)) throw error
  }
  if (configured === undefined && made === '') throw new GatewayError('AUTH_FAILED', noToken(file))
  return [configured ?? [], made === '' ? [] : (made ?? [])].flat()
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function notRunning(directory: string, cause?: unknown): GatewayError {
  return new GatewayError(
    'CHANNEL_GONE',
    `no gateway runs on the data in ${directory}; start one with "dragoman start", or name the folder of the one that runs with --data`,
    { cause },
  )
}

function noneStarts(directory: string, cause: ConfigError): GatewayError {
  return new GatewayError(
    'CHANNEL_GONE',
    `no gateway runs on the data in ${directory}, and none starts with the config as it is:\n${cause.message}`,
    { cause },
  )
}

/** Of several workers each has its rows: whose they are stands first. `lines` has the heads, then a line for each row. */
export function byWorker(
  rows: readonly { readonly worker?: number }[],
  [heads = [], ...lines]: readonly (readonly string[])[],
): readonly (readonly string[])[] {
  if (rows.every(({ worker }) => worker === undefined)) return [heads, ...lines]
  return [['WORKER', ...heads], ...lines.map((line, at) => [String(rows[at]?.worker ?? ''), ...line])]
}

/** Columns as wide as their widest cell; another's words may stand in one. */
export function table(raw: readonly (readonly string[])[]): string {
  const rows = raw.map((row) => row.map(inLine))
  const widths = (rows[0] ?? []).map((_, column) =>
    rows.reduce((widest, row) => Math.max(widest, widthOf(row[column] ?? '')), 0),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

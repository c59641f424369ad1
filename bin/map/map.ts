// `dragoman map FILE`: one captured request through decode, route, outbound request, sample answer and encode; nobody is called.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isSecretName, redact, withoutSecretQuery } from '../../config/secrets.ts'
import { GatewayError } from '../../core/api.ts'
import type { Identity, Json } from '../../core/api.ts'
import { createIdentity } from '../../core/http/identity.ts'
import { parseExact } from '../../core/json.ts'
import { readCapturedRequest } from '../../core/map/capture.ts'
import { closeNetwork } from '../../core/map/offline.ts'
import type { Told } from '../../core/map/recorder.ts'
import { mapRequest } from '../../core/map/report.ts'
import type { MapOptions, MapReport } from '../../core/map/report.ts'
import { noLog } from '../../core/map/stand-ins.ts'
import { tellFailures } from '../check.ts'
import { configFile, loadOnce } from '../config-file.ts'
import type { Loaded } from '../config-file.ts'
import { fail } from '../fail.ts'
import { printReport } from './map-print.ts'
import { answerOf, sampleAnswer } from './map-samples.ts'
import { xmlPlaces } from './map-xml.ts'
import { asJson } from '../printable.ts'

export interface MapCommand {
  readonly config?: string
  readonly answer?: string
  readonly json?: boolean
}

export async function map(file: string, options: MapCommand): Promise<void> {
  const attempts: string[] = []
  using _closed = closeNetwork((what) => void attempts.push(what))
  try {
    const bytes = await readNamed(file)
    const request = await named(`${file} is not an HTTP request`, () => readCapturedRequest(bytes))
    const answer = options.answer
    const given =
      answer === undefined ? undefined : await named(answer, async () => answerOf(await readNamed(answer)))
    await using loaded = await loadOnce(configFile(options.config), {
      offline: (what) => void attempts.push(what),
    })
    tellFailures(loaded.plugins.plugins)
    const report = await mapRequest({ ...mapOptions(loaded, { given, answer }), request })
    const shown = redacted(report, loaded.config.secrets)
    const tried = attempts.map((what) => ({ component: 'network', level: 'error' as const, message: what }))
    const whole: MapReport = { ...shown, log: [...shown.log, ...tried] }
    console.log(options.json === true ? asJson(whole) : printReport(whole, file))
    if (whole.failure !== undefined) process.exitCode = 1
  } catch (error) {
    fail(error)
  }
}

async function readNamed(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const problem = why === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read (${why})`
    throw new GatewayError('NOT_FOUND', problem, { cause: error })
  }
}

async function named<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code === 'NOT_FOUND') throw error
    throw new GatewayError(error.code, `${what}: ${error.message}`, { cause: error })
  }
}

interface GivenAnswer {
  readonly given: Told | undefined
  readonly answer: string | undefined
}

function mapOptions(
  { config, adapters }: Loaded,
  { given, answer = '' }: GivenAnswer,
): Omit<MapOptions, 'request'> {
  const data = given === undefined ? undefined : jsonOf(given)
  return {
    settings: config,
    adapters,
    dedupeMs: config.store.dedupeMs,
    bodyLimitBytes: config.http.bodyLimitBytes,
    now: Date.now(),
    identify: identifier(config),
    answer: async (asked) => (given === undefined ? sampleAnswer(asked) : { told: given, from: answer }),
    ...(data !== undefined && { ownAnswer: { data, from: answer } }),
    xml: xmlPlaces,
  }
}

function jsonOf({ headers, body }: Told): Json | undefined {
  if (!/\bjson\b/i.test(headers['content-type'] ?? '')) return undefined
  return parseExact(new TextDecoder().decode(body)) as Json // it yields nothing else
}

/**
 * As the listener does it, but a captured credential may be old or blanked out, and keys may be at an address that is not
 * asked: then the request goes on as a program's.
 */
function identifier(config: Loaded['config']): MapOptions['identify'] {
  const { identity } = config
  const program: Identity = { role: 'program', id: 'map' }
  const remote = [identity?.customers?.jwks, identity?.agents?.jwks].some((jwks) =>
    /^https?:/i.test(jwks ?? ''),
  )
  if (remote) return async () => program
  const check = createIdentity(identity, { host: config.http.host, adminToken: randomUUID(), log: noLog })
  return async (request, channel) => {
    // The host of a capture is that of the gateway's predecessor.
    const { host: _host, ...headers } = request.headers
    try {
      return await check.forHttp({ ...request, headers }, channel.access, channel.id)
    } catch {
      return program // what the listener refuses is not what is looked at here
    }
  }
}

const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'])

/** The report without secrets: those of the config wherever they stand, and whatever stands under a secret's name. */
function redacted(report: MapReport, secrets: readonly string[]): MapReport {
  const clean = (value: unknown, name = ''): unknown => {
    if (typeof value === 'string') {
      if (SECRET_HEADERS.has(name) || (name.includes('-') && isSecretName(name))) return '***'
      return redact(name === 'url' ? withoutSecretQuery(value) : value, secrets)
    }
    if (Array.isArray(value)) return value.map((item: unknown) => clean(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, clean(member, key)]))
  }
  return clean(report) as MapReport // every text is a text again
}

// What only the whole file shows: a path two channels want, one that is the gateway's own, a file that is not there.
import { isFields } from './adapter-part.ts'
import type { Resolved } from './components.ts'
import type { ChannelConfig } from './config.ts'
import type { Files } from './files.ts'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'
import { isLocal } from './sections.ts'

/** What the gateway serves itself, with everything below it (`core/own-pages.ts` refuses them too). */
export const OWN_PATHS = [
  '/admin/v1',
  '/healthz',
  '/readyz',
  '/metrics',
  '/asyncapi.json',
  '/v1/callbacks',
  '/v1/status',
] as const
/** Served where the listener is for this machine alone. */
const CHAT_PAGE = '/demo/chat'
/** Whose paths are certainly those of requests: a plugin's `path` may be a folder. */
const OURS = new Set(['graphql', 'mqtt', 'rest', 'soap', 'webservice', 'wechat'])
/** What a `rest` channel serves below its path (`adapters/rest/endpoints.ts`). */
const REST = /^\/(?:messages|events|requests|conversations|link|ws)(?:\/|$)/u
/** `tls` says itself what is wrong with its files, the operations of a channel are expressions. */
const NO_FILES = { channels: ['operations'], backends: ['tls'], agents: ['tls'] } as const

/** The files that components name. */
export function checkFiles(root: Readonly<Record<string, unknown>>, files: Files, report: Report): void {
  for (const [section, others] of Object.entries(NO_FILES))
    for (const [id, raw] of fieldsOf(root[section])) {
      if (!isFields(raw)) continue // reported where the component is taken apart
      const keys = Object.entries(raw).filter(([name]) => !others.some((other) => other === name))
      for (const [name, value] of keys) checkNamed(value, [section, id, name], { files, report })
    }
}

/** The listener, as far as it is known. */
export interface Listener {
  readonly host: string
  readonly port: number
}

/**
 * The names of the channels; where each is served, with what its adapter chose: no two can be served at one place. One inside what another
 * serves is a notice: the longest path is asked (DESIGN §16), so the other one does not hear of it.
 */
export function checkChannels(
  channels: Resolved<ChannelConfig>,
  listener: Listener | undefined,
  report: Report,
): void {
  const owned = [...OWN_PATHS, ...(listener !== undefined && isLocal(listener.host) ? [CHAT_PAGE] : [])]
  const owners = new Map<string, string>()
  const open: (Listener & { readonly of: string })[] =
    listener === undefined ? [] : [{ ...listener, of: 'the listener (http.port)' }]
  for (const [id, channel] of channels) {
    if (id === 'link')
      report.add(['channels', id], '"link" stands for the app of a customer: choose another name')
    if (channel === undefined) continue
    const told = new Set<string>()
    for (const { key, place: written, isSocket } of doorsOf(channel)) {
      const place = withoutSlash(written)
      const owner = owners.get(`${isSocket} ${place}`)
      const own = owned.find((page) => place === page || place.startsWith(`${page}/`))
      const problem =
        OURS.has(channel.adapter) && !isCanonical(place)
          ? `${place} is asked for by nobody: no empty segments, no "." or "..", no backslashes`
          : own !== undefined
            ? `${place} is the gateway's own: choose another path`
            : owner !== undefined && `${place} is the path of channel "${owner}" already`
      if (problem === false) {
        owners.set(`${isSocket} ${place}`, id)
        if (!isSocket) noticeTaken({ id, key, place }, channels, report)
      } else if (!told.has(key)) report.add(['channels', id, key], problem)
      if (problem !== false) told.add(key)
    }
    const port = portOf(channel)
    if (port === undefined) continue
    const other = open.find((each) => each.port === port.port && isSameHost(each.host, port.host))
    if (other === undefined) open.push({ ...port, of: `channel "${id}"` })
    else report.add(['channels', id, 'port'], `${port.port} is the port of ${other.of} already`)
  }
}

/** A path below that of another channel which answers there. */
function noticeTaken(
  { id, key, place }: { readonly id: string; readonly key: string; readonly place: string },
  channels: Resolved<ChannelConfig>,
  report: Report,
): void {
  for (const [other, channel] of channels) {
    const base = channel === undefined || other === id ? undefined : pathAbove(channel, place)
    if (base === undefined) continue
    const what = `takes ${place} away from channel "${other}", which serves it below ${base}`
    report.notice(['channels', id, key], what)
  }
}

/** The channel's path, where it answers at `place` below it. */
function pathAbove({ adapter, config }: ChannelConfig, place: string): string | undefined {
  const { path: written, product, serve } = isFields(config) ? config : {}
  const path = typeof written === 'string' ? withoutSlash(written) : '/'
  if (path === '/' || !place.startsWith(`${path}/`)) return undefined
  const isServed =
    (adapter === 'rest' && REST.test(place.slice(path.length))) ||
    (adapter === 'webservice' && serve !== 'operations') ||
    (adapter === 'wechat' && product === 'component')
  return isServed ? path : undefined
}

interface Door {
  /** In the file. */
  readonly key: string
  readonly place: string
  /** A path may be served to requests and to WebSockets, by two channels. */
  readonly isSocket: boolean
}

/** The paths that a channel of ours serves; of a plugin's, `path`. */
function doorsOf({ adapter, config }: ChannelConfig): readonly Door[] {
  const { path, openapi, websocket, serve } = isFields(config) ? config : {}
  const doors: Door[] = []
  const add = (key: string, place: unknown, isSocket: boolean): void => {
    if (typeof place === 'string') doors.push({ key, place, isSocket })
  }
  if (serve !== 'operations') add('path', path, false) // else only what is below it
  if (adapter === 'graphql') add('path', path, true)
  if (adapter === 'mqtt') add('websocket', websocket, true)
  if (adapter === 'rest' && typeof path === 'string') {
    add('path', `${path}/ws`, true)
    const beside = path === '/v1' ? '/openapi.json' : `${path}/openapi.json`
    add(openapi === undefined ? 'path' : 'openapi', openapi ?? beside, false)
  }
  return doors
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

/** Where an MQTT channel listens; undefined: nowhere, or at any free port. */
function portOf({ adapter, config }: ChannelConfig): Listener | undefined {
  const { port, host = '127.0.0.1' } = isFields(config) ? config : {}
  const listens = adapter === 'mqtt' && typeof port === 'number' && port > 0 && typeof host === 'string'
  return listens ? { host, port } : undefined
}

/** `::` takes the addresses of version 4 as well, `0.0.0.0` those alone, and nobody knows which one `localhost` is. */
function isSameHost(one: string, other: string): boolean {
  const holds = (host: string, within: string): boolean =>
    host === '::' ||
    (host === '0.0.0.0' && !within.includes(':')) ||
    (host === 'localhost' && isLocal(within))
  return one === other || holds(one, other) || holds(other, one)
}

/** As `core/http/paths.ts` wants what is mounted. */
function isCanonical(place: string): boolean {
  const segments = place === '/' ? [] : place.slice(1).split('/')
  return !/[\u0000-\u001f\u007f\\]/u.test(place) && !segments.some((segment) => /^\.{0,2}$/u.test(segment))
}

function fieldsOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isFields(value) ? Object.entries(value) : []
}

// Texts that begin with `./` or `../` are files, whatever their key (see files.ts).
function checkNamed(value: unknown, path: Path, options: { files: Files; report: Report }): void {
  const { files, report } = options
  if (typeof value === 'string') {
    if (/^\.\.?\//u.test(value) && !files.exists(value))
      report.add(path, `${report.show(path, value) ?? 'the file'} cannot be read: there is no such file`)
  } else if (Array.isArray(value)) {
    for (const [index, member] of value.entries()) checkNamed(member, [...path, index], options)
  } else if (isFields(value)) {
    for (const [name, member] of Object.entries(value)) checkNamed(member, [...path, name], options)
  }
}

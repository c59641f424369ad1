// What only the whole file shows: a path two channels want, one that is the gateway's own, a file that is not there.
import { isFields } from './adapter-part.ts'
import type { Resolved } from './components.ts'
import type { ChannelConfig } from './config.ts'
import type { Files } from './files.ts'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'

/** What the gateway serves itself, with everything below it (`core/gateway.ts` refuses them too). */
export const OWN_PATHS = [
  '/admin/v1',
  '/healthz',
  '/readyz',
  '/metrics',
  '/asyncapi.json',
  '/v1/callbacks',
] as const
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

/** The names of the channels, and their paths with those that their adapters chose. */
export function checkChannels(channels: Resolved<ChannelConfig>, report: Report): void {
  const owners = new Map<string, string>()
  for (const [id, channel] of channels) {
    if (id === 'link')
      report.add(['channels', id], '"link" stands for the app of a customer: choose another name')
    const path = isFields(channel?.config) ? channel.config['path'] : undefined
    if (typeof path !== 'string') continue
    const place = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
    const own = OWN_PATHS.find((page) => place === page || place.startsWith(`${page}/`))
    const owner = owners.get(place)
    if (own !== undefined)
      report.add(['channels', id, 'path'], `${place} is the gateway's own: choose another path`)
    else if (owner !== undefined)
      report.add(['channels', id, 'path'], `${place} is the path of channel "${owner}" already`)
    else owners.set(place, id)
  }
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

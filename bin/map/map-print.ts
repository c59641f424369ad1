// The report of `dragoman map` for people: the stages in their order, then where each value went, then what to look at.
import type { Followed } from '../../core/map/follow.ts'
import { MAX_FOLLOWED } from '../../core/map/follow.ts'
import type { MapReport, Shown } from '../../core/map/report.ts'

const INDENT = ' '.repeat(13)
const MAX_SHOWN = 20_000

/** As text that ends without a line end. */
export function printReport(report: MapReport, file: string): string {
  const blocks = [
    `${file}, through channel ${report.channel.id} (${report.channel.adapter}). Nobody is called, nothing is stored.`,
    ...stages(report).map(([name, lines], index) => stage(`${index + 1} ${name}`, lines)),
    valuesBlock('Values of the request', report.values.request),
    valuesBlock('Values of the answer', report.values.answer),
    findings(report),
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

type Stage = readonly [name: string, lines: readonly string[]]

function stages(report: MapReport): readonly Stage[] {
  const { request, decoded, operation, draft, outbound, answers, reply, said, handoff, pushed, encoded } =
    report
  const { method, path, query, contentType = 'no content-type', bytes, notes } = request
  const result: Stage[] = [
    [
      'request',
      [`${method} ${path}${query === '' ? '' : `?${query}`}, ${bytes} bytes, ${contentType}`, ...notes],
    ],
  ]
  if (operation !== undefined) result.push(['decoded', [`operation ${operation}`, ...data(decoded)]])
  if (draft !== undefined) {
    const { kind, type, sender, text, metadata, ...rest } = draft
    result.push([
      'draft',
      [
        `${kind} "${type}" from ${sender.id} (${sender.role})`,
        ...Object.entries(rest).map(([name, value]) => `${name}: ${value}`),
        ...(text === undefined ? [] : [`text: ${text}`]),
        ...Object.entries(metadata ?? {}).map(([name, value]) => `${name}: ${value}`),
      ],
    ])
  }
  if (report.route !== undefined || report.unmatched.length > 0) result.push(['route', routeLines(report)])
  if (report.target !== undefined) result.push(['call', callLines(report)])
  for (const one of outbound) result.push(['sent', [`${one.method} ${one.url}`, ...shown(one)]])
  for (const { status, from, hint, ...one } of answers)
    result.push([
      'answer',
      [`${from}: ${status}`, ...shown(one), ...(hint === undefined ? [] : [`hint: ${hint}`])],
    ])
  if (said !== undefined) result.push(['effect', [`to the customer: ${said}`]])
  if (handoff !== undefined) result.push(['hand-off', [`${handoff}: it goes to the route's fallback`]])
  if (reply !== undefined) {
    const { text, fault } = reply
    const code = fault === undefined ? [] : [`fault ${fault.code}: ${fault.message}`, ...data(fault.detail)]
    result.push(['reply', [...(text === undefined ? [] : [text]), ...code, ...data(reply.data)]])
  }
  if (encoded !== undefined) result.push(['to caller', [`${encoded.status}`, ...shown(encoded)]])
  for (const one of pushed) result.push(['pushed', [`${one.method} ${one.url}`, ...shown(one)]])
  return result
}

function routeLines({ route, target, unmatched }: MapReport): readonly string[] {
  const others = unmatched.map(({ number, when }) => `(route ${number} does not match: ${when})`)
  if (route === undefined) return ['none takes it', ...others]
  const { number, when } = route
  const why = when === undefined ? 'it takes everything' : `its "when" holds: ${when}`
  const to = target === undefined ? '' : ` → ${target.kind} ${target.id}`
  return [`route ${number}${to}, because ${why}`, ...others]
}

function callLines({ target, outbound, failure }: MapReport): readonly string[] {
  if (target === undefined) return []
  const silent =
    outbound.length === 0 && failure?.stage !== 'call'
      ? ', which asks nobody over HTTP: this is its call'
      : ''
  if (target.kind === 'agent') return [`agent ${target.id} (${target.adapter})${silent}`]
  const { id, adapter, operation, params } = target
  return [`${id}.${operation} (${adapter})${silent}`, ...data(params)]
}

function shown({ headers, body }: Shown): readonly string[] {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  if (body === '') return lines
  const cut = body.length > MAX_SHOWN ? `${body.slice(0, MAX_SHOWN)}… (${body.length} characters)` : body
  return [...lines, '', ...cut.split('\n')]
}

function data(value: unknown): readonly string[] {
  return value === undefined ? [] : JSON.stringify(value, null, 2).split('\n')
}

function stage(name: string, lines: readonly string[]): string {
  return lines
    .map((line, index) => `${index === 0 ? name.padEnd(INDENT.length) : INDENT}${line}`.trimEnd())
    .join('\n')
}

function valuesBlock(title: string, values: readonly Followed[]): string {
  const kept = values.filter(({ became }) => became === 'kept')
  if (kept.length === 0) return ''
  const lines = kept.map((value) => `  ${named(value)} → ${places(value.to)}`)
  return [title, ...lines].join('\n')
}

function findings({ values, failure, log, request }: MapReport): string {
  const lines = [
    ...values.request.flatMap((value) =>
      finding(value, 'no expression and nothing that is sent depends on it'),
    ),
    ...values.answer.flatMap((value) => finding(value, 'the caller does not get it')),
    ...log
      .filter(({ reason }) => reason === undefined || reason !== failure?.message)
      .map(({ component, message, reason }) =>
        [component, message, ...(reason === undefined ? [] : [reason])].join(': '),
      ),
    ...request.notes,
    ...(failure === undefined ? [] : [`stopped at ${failure.stage}: ${failure.code}: ${failure.message}`]),
    ...(values.request.length === MAX_FOLLOWED
      ? [`only the first ${MAX_FOLLOWED} values were followed`]
      : []),
  ]
  return lines.length === 0 ? '' : ['Look at', ...lines.map((line) => `  ! ${line}`)].join('\n')
}

function finding(followed: Followed, unused: string): readonly string[] {
  const value = named(followed)
  switch (followed.became) {
    case 'kept':
      return []
    case 'unused':
      return [`${value} is lost: ${unused}`]
    case 'checked':
      return [`${value} is looked at, but stands nowhere afterwards`]
    case 'changed':
      return [
        `${value} is changed: ${followed.to.map((place) => `${place.path} is ${quoted(place.text)}`).join(', ')}`,
      ]
  }
}

function named({ path, text }: Followed): string {
  return `${path === '' ? 'the value' : path} ${quoted(text)}`
}

function places(to: Followed['to']): string {
  return to.map(({ path }) => path).join(', ')
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

// The routes: what they name must exist, and each must be reachable.
import { isFields } from './adapter-part.ts'
import { check } from './check.ts'
import type { RouteConfig } from './config.ts'
import { expressionFault, predicateFault, readPredicate } from './expressions.ts'
import { didYouMean } from './problems.ts'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'
import { route as routeSchema } from './schema.ts'

/** What routes may name; also what could not be resolved, so that one mistake is reported once. */
export interface Names {
  readonly agents: ReadonlySet<string>
  /** With the operations the file names; undefined where the backend's own description has more. */
  readonly backends: ReadonlyMap<string, ReadonlySet<string> | undefined>
  readonly channels: ReadonlySet<string>
}

type RouteKeys = ReturnType<typeof routeSchema.parse>

/** Resolves the section `routes`. What is wrong is reported. */
export function resolveRoutes(value: unknown, names: Names, report: Report): readonly RouteConfig[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    report.add(['routes'], 'it must be a list')
    return []
  }
  reportUnreachable(value, report)
  noticeSkills(value, report)
  return value.flatMap((raw: unknown, index) => {
    const path = ['routes', index]
    const checked = check(routeSchema, { value: raw, path }, report)
    // What a route names is looked at also where another of its keys is wrong.
    const keys = checked?.value ?? textsOf(raw)
    if (isFields(raw)) checkTarget(keys, path, report)
    checkNames(keys, path, { names, report })
    checkKinds(keys.when, path, report)
    if (checked === undefined) return []
    const { timeout, ...rest } = checked.value
    const position = report.tree.place(path)?.value ?? { line: 1, column: 1 }
    return [{ ...rest, position, ...(timeout !== undefined && { timeoutMs: timeout }) }]
  })
}

type Texts = Partial<Record<keyof RouteKeys, unknown>>

function textsOf(raw: unknown): Texts {
  if (!isFields(raw)) return {}
  return Object.fromEntries(Object.entries(raw).filter(([key]) => Object.hasOwn(routeSchema.shape, key)))
}

/** Exactly one of agent, backend, notify; keys that say something only about one of them. */
function checkTarget(keys: Texts, path: Path, report: Report): void {
  const targets = (['agent', 'backend', 'notify'] as const).filter((key) => keys[key] !== undefined)
  const { when } = keys
  // A predicate that does not compile has been reported, and says nothing about kinds.
  const events =
    typeof when === 'string' && (readPredicate(when).kind === 'event' || predicateFault(when) !== undefined)
  if (targets.length > 1)
    report.add(path, `only one of ${targets.join(', ')} is possible: write a route for each`)
  else if (targets.length === 0 && keys.reply === undefined)
    report.add(path, 'one of "agent", "backend", "notify" is needed')
  const [target] = targets
  if (keys.reply !== undefined && keys.notify === undefined && !events)
    report.add([...path, 'reply'], 'it needs "notify", or a "when" with kind = \'event\'', 'key')
  if (target !== undefined) {
    const only = target === 'backend' ? AGENTS_ONLY : BACKENDS_ONLY
    const needed = target === 'backend' ? '"agent" or "notify"' : '"backend"'
    for (const key of only)
      if (keys[key] !== undefined) report.add([...path, key], `it needs ${needed}`, 'key')
  }
  if (keys.ordered !== undefined && keys.record !== true)
    report.add([...path, 'ordered'], 'it needs "record: true": only what is stored has an order', 'key')
}

const AGENTS_ONLY = ['fallback', 'skills'] as const
const BACKENDS_ONLY = ['operation', 'params'] as const

interface Against {
  readonly names: Names
  readonly report: Report
}

function checkNames(keys: Texts, path: Path, against: Against): void {
  for (const key of ['agent', 'notify', 'fallback', 'backend'] as const) {
    const name = keys[key]
    if (typeof name === 'string' && name !== '') checkName(key, { name, path }, against)
  }
  if (keys.fallback !== undefined && (keys.fallback === keys.agent || keys.fallback === keys.notify))
    against.report.add([...path, 'fallback'], 'it must be another agent')
  if (typeof keys.operation === 'string') checkOperation(keys.operation, { keys, path }, against)
}

function checkName(
  key: 'agent' | 'notify' | 'fallback' | 'backend',
  { name, path }: { readonly name: string; readonly path: Path },
  { names, report }: Against,
): void {
  const backend = key === 'backend'
  const kind = backend ? 'backend' : 'agent'
  const known = backend ? names.backends : names.agents
  if (known.has(name)) return
  const at = [...path, key]
  const shown = report.show(at, name) ?? 'this'
  if (!backend && names.backends.has(name))
    report.about(path, at, `${kind} ${shown} is not defined: it is a backend (write backend: ${shown})`)
  else if (backend && names.agents.has(name))
    report.about(path, at, `${kind} ${shown} is not defined: it is an agent (write agent: ${shown})`)
  else report.about(path, at, `${kind} ${shown} is not defined${didYouMean(name, known.keys())}`)
}

/** A plain name must be one of the backend's, where the file knows them all; anything else is JSONata. */
function checkOperation(
  operation: string,
  { keys, path }: { readonly keys: Texts; readonly path: Path },
  { names, report }: Against,
): void {
  const at = [...path, 'operation']
  // As `core/router.ts` tells them apart.
  if (!/^(?!(?:data|sender|metadata)\.)[\w.:-]+$/u.test(operation)) {
    const fault = expressionFault(operation)
    if (fault !== undefined) report.add(at, fault.message, fault.offset)
    return
  }
  const { backend } = keys
  const known = typeof backend === 'string' ? names.backends.get(backend) : undefined
  if (known === undefined || known.has('*') || known.has(operation)) return
  const shown = report.show(at, operation) ?? 'this'
  const owner = report.show([...path, 'backend'], backend) ?? 'the backend'
  report.about(path, at, `backend ${owner} has no operation ${shown}${didYouMean(operation, known)}`)
}

const KINDS = ['message', 'event', 'request']

function checkKinds(when: unknown, path: Path, report: Report): void {
  if (typeof when !== 'string') return
  for (const { name, offset } of readPredicate(when).kinds) {
    if (KINDS.includes(name)) continue
    const known = `it is message, event or request`
    const hint = didYouMean(name, KINDS)
    report.add(
      [...path, 'when'],
      `kind is never ${JSON.stringify(name)}${hint === '' ? `: ${known}` : hint}`,
      offset,
    )
  }
}

/** One line for all routes: it is the same for each. */
function noticeSkills(routes: readonly unknown[], report: Report): void {
  const index = routes.findIndex((raw) => isFields(raw) && raw['skills'] !== undefined)
  if (index >= 0)
    report.notice(
      ['routes', index, 'skills'],
      'this has no effect, here and in any other route: no agent of this version asks for skills',
    )
}

function reportUnreachable(routes: readonly unknown[], report: Report): void {
  let everything: number | undefined
  const seen = new Map<string, number>()
  for (const [index, raw] of routes.entries()) {
    const when = isFields(raw) ? raw['when'] : null
    const same = typeof when === 'string' ? seen.get(when.trim()) : undefined
    if (everything !== undefined)
      report.add(['routes', index], `it is never reached: route ${everything + 1} takes everything`)
    else if (same !== undefined)
      report.add(['routes', index], `it is never reached: route ${same + 1} has the same "when"`)
    if (typeof when === 'string') {
      if (!seen.has(when.trim())) seen.set(when.trim(), index)
      if (readPredicate(when).always) everything ??= index
    } else if (when === undefined) everything ??= index
  }
}

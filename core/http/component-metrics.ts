// Figures that adapters and plugins add: named and bounded so that none can flood or break the page.
import type { Registry } from 'prom-client'
import type { Log, Metrics } from '../api.ts'
import { Family } from './series.ts'
import type { Cell } from './series.ts'

const PREFIX = 'dragoman_plugin_'
/** Names of one component, and series of one name. */
const MAX_NAMES = 50
const MAX_SERIES = 200
const MAX_LABEL_CHARS = 128
/** Of a version that has not taken over yet. */
const MAX_KEPT_BACK = 10_000
const NAME = /^[a-z][a-z0-9_]{0,63}$/u

export interface ComponentMetrics extends Metrics, Disposable {
  /** It takes over, as others may in the same turn. Until then a version shows nothing where one before it runs: it may be refused. */
  adopt(): void
}

interface Known {
  readonly kind: 'counter' | 'gauge'
  /** The labels of the first use, sorted; all who use the name have the same ones. */
  readonly labels: readonly string[]
  readonly family: Family<string>
  readonly users: Set<User>
}

/** One component as one version has it: while another takes over there are two of it. */
interface User {
  /** Role and name. */
  readonly component: string
}

interface Series {
  readonly family: Family<string>
  readonly values: readonly string[]
  readonly cell: Cell
}

/**
 * For each component its `Metrics`. Every series has the label `component`. What cannot be kept (a bad name, labels or a kind
 * that others use otherwise, a counter that falls, too many names) is left out and said once in the log; it never throws,
 * because a figure is no reason to fail a message. A name that only earlier versions use begins anew with the next one's labels
 * and kind. Disposed when the component has ended: its gauges go, but those that the next version shows.
 */
export function componentMetrics(
  registry: Registry,
  log: Log,
): (id: string, role?: string) => ComponentMetrics {
  const byName = new Map<string, Known>()
  /** Of each component the versions that have taken over and not ended, in turn. */
  const versions = new Map<string, readonly User[]>()
  /** Who has set a gauge last. */
  const setBy = new WeakMap<Cell, User>()

  const isCurrent = (user: User): boolean => versions.get(user.component)?.at(-1) === user

  return (id, role = '') => {
    const user: User = { component: `${role} ${id}` }
    const enter = (): void => {
      versions.set(user.component, [...(versions.get(user.component) ?? []), user])
    }
    /** What it has said so far, until it takes over. */
    let keptBack: (() => void)[] | undefined = versions.has(user.component) ? [] : undefined
    if (keptBack === undefined) enter()
    const names = new Set<string>()
    const gauges = new Map<Cell, Series>()
    const complained = new Set<unknown>()
    let hasEnded = false

    const complain = (name: unknown, why: string): void => {
      if (complained.size >= MAX_NAMES || complained.has(name) || !isCurrent(user)) return
      complained.add(name)
      log.warn('a figure is left out', { component: id, figure: String(name).slice(0, MAX_LABEL_CHARS), why })
    }

    const seriesOf = (
      kind: Known['kind'],
      name: string,
      labels: Readonly<Record<string, string>>,
    ): Series | undefined => {
      const keys = Object.keys(labels ?? {}).sort() // a plugin without types may give null
      if (
        typeof name !== 'string' ||
        !NAME.test(name) ||
        !keys.every((key) => NAME.test(key) && key !== 'component')
      ) {
        complain(name, 'names of figures and labels are lower case letters, digits and underscores')
        return undefined
      }
      if (!names.has(name) && names.size >= MAX_NAMES) {
        complain(name, `a component has at most ${MAX_NAMES} figures`)
        return undefined
      }
      let known = byName.get(name) ?? register(kind, name, keys)
      if (known.kind !== kind || known.labels.join(',') !== keys.join(',')) {
        if (!isCurrent(user) || [...known.users].some(isCurrent)) {
          complain(name, `it began as a ${known.kind} with the labels ${known.labels.join(', ') || '(none)'}`)
          return undefined
        }
        registry.removeSingleMetric(PREFIX + name)
        known = register(kind, name, keys)
      }
      names.add(name)
      known.users.add(user)
      const values = [id, ...keys.map((key) => String(labels[key]).slice(0, MAX_LABEL_CHARS))]
      return { family: known.family, values, cell: known.family.cell(...values) }
    }

    const register = (kind: Known['kind'], name: string, labels: readonly string[]): Known => {
      const full = PREFIX + name
      const options = { name: full, help: `Kept by ${id}`, labels: ['component', ...labels], registry }
      const family = new Family(kind, { ...options, maxSeries: MAX_SERIES })
      const known = { kind, labels, family, users: new Set<User>() }
      byName.set(name, known)
      return known
    }

    const count: Metrics['count'] = (name, labels = {}, by = 1) => {
      if (!isNumber(by)) return complain(name, `a counter grows by numbers, not by a ${typeof by}`)
      if (!(by >= 0) || by === Infinity) return complain(name, 'a counter only grows, by finite steps')
      const series = seriesOf('counter', name, labels)
      if (series !== undefined) series.cell.value += by
    }

    const gauge: Metrics['gauge'] = (name, value, labels = {}) => {
      if (!isNumber(value)) return complain(name, `a gauge shows a number, not a ${typeof value}`)
      const series = hasEnded ? undefined : seriesOf('gauge', name, labels)
      if (series === undefined) return
      series.cell.value = value
      setBy.set(series.cell, user)
      gauges.set(series.cell, series)
    }

    const say = (what: () => void): void => {
      if (keptBack === undefined) what()
      else if (!hasEnded && keptBack.length < MAX_KEPT_BACK) keptBack.push(what)
    }

    return {
      count: (name, labels, by) => say(() => count(name, labels, by)),
      gauge: (name, value, labels) => say(() => gauge(name, value, labels)),
      adopt() {
        if (keptBack === undefined || hasEnded || isCurrent(user)) return
        enter()
        // Its neighbours take over in this turn too: a figure that both use may be another from here on.
        queueMicrotask(() => {
          const all = keptBack ?? []
          keptBack = undefined
          for (const each of all) each()
        })
      },
      [Symbol.dispose]() {
        hasEnded = true
        keptBack = keptBack && []
        const others = (versions.get(user.component) ?? []).filter((each) => each !== user)
        if (others.length > 0) versions.set(user.component, others)
        else versions.delete(user.component)
        for (const name of names) byName.get(name)?.users.delete(user)
        for (const [cell, { family, values }] of gauges)
          if (setBy.get(cell) === user) family.remove(...values)
      },
    }
  }
}

/** A plugin without types may give anything. */
function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

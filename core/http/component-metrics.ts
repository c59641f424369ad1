// Figures that adapters and plugins add: named and bounded so that none can flood or break the page.
import type { Registry } from 'prom-client'
import type { Log, Metrics } from '../api.ts'
import { Family } from './series.ts'

const PREFIX = 'dragoman_plugin_'
/** Names of one component, and series of one name. */
const MAX_NAMES = 50
const MAX_SERIES = 200
const MAX_LABEL_CHARS = 128
const NAME = /^[a-z][a-z0-9_]{0,63}$/u

interface Known {
  readonly kind: 'counter' | 'gauge'
  /** The labels of the first use, sorted; a name has the same ones for ever. */
  readonly labels: readonly string[]
  readonly family: Family<string>
}

/**
 * For each component its `Metrics`. Every series has the label `component`. What cannot be kept (a bad name, other
 * labels than at first, a counter that falls, too many names) is left out and said once in the log; it never throws,
 * because a figure is no reason to fail a message.
 */
export function componentMetrics(registry: Registry, log: Log): (id: string) => Metrics {
  const byName = new Map<string, Known>()

  return (id) => {
    const names = new Set<string>()
    const complained = new Set<unknown>()

    const complain = (name: unknown, why: string): void => {
      if (complained.size >= MAX_NAMES || complained.has(name)) return
      complained.add(name)
      log.warn('a figure is left out', { component: id, figure: String(name).slice(0, MAX_LABEL_CHARS), why })
    }

    const seriesOf = (kind: Known['kind'], name: string, labels: Readonly<Record<string, string>>) => {
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
      const known = byName.get(name) ?? register(kind, name, keys)
      if (known.kind !== kind || known.labels.join(',') !== keys.join(',')) {
        complain(name, `it began as a ${known.kind} with the labels ${known.labels.join(', ') || '(none)'}`)
        return undefined
      }
      names.add(name)
      return known.family.cell(id, ...keys.map((key) => String(labels[key]).slice(0, MAX_LABEL_CHARS)))
    }

    const register = (kind: Known['kind'], name: string, labels: readonly string[]): Known => {
      const full = PREFIX + name
      const options = { name: full, help: `Kept by ${id}`, labels: ['component', ...labels], registry }
      const known = { kind, labels, family: new Family(kind, { ...options, maxSeries: MAX_SERIES }) }
      byName.set(name, known)
      return known
    }

    return {
      count: (name, labels = {}, by = 1) => {
        if (!isNumber(by)) complain(name, `a counter grows by numbers, not by a ${typeof by}`)
        else if (!(by >= 0) || by === Infinity) complain(name, 'a counter only grows, by finite steps')
        else {
          const cell = seriesOf('counter', name, labels)
          if (cell !== undefined) cell.value += by
        }
      },
      gauge: (name, value, labels = {}) => {
        if (!isNumber(value)) return complain(name, `a gauge shows a number, not a ${typeof value}`)
        const cell = seriesOf('gauge', name, labels)
        if (cell !== undefined) cell.value = value
      },
    }
  }
}

/** A plugin without types may give anything. */
function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

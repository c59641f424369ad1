// Families of series: cells that cost an addition to count, written into prom-client's registry when somebody scrapes.
import { Counter, Gauge, type Registry } from 'prom-client'

/** One series: held by whoever counts, so that no label is looked up on the way of a message. */
export interface Cell {
  value: number
}

export interface FamilyOptions<Label extends string> {
  readonly name: string
  readonly help: string
  readonly labels: readonly Label[]
  readonly registry: Registry
  /** Labels come from config; should one come from content after all, further values share one series named `other`. */
  readonly maxSeries?: number
}

const MAX_SERIES = 2000
const OTHER = 'other'

export class Family<Label extends string> {
  readonly #labels: readonly Label[]
  readonly #maxSeries: number
  readonly #cells = new Map<string, Cell & { readonly values: readonly string[] }>()

  constructor(kind: 'counter' | 'gauge', options: FamilyOptions<Label>) {
    this.#labels = options.labels
    this.#maxSeries = options.maxSeries ?? MAX_SERIES
    const { name, help, labels: labelNames, registry } = options
    const shared = { name, help, labelNames, registers: [registry] }
    if (kind === 'counter') {
      const counter: Counter<Label> = new Counter({
        ...shared,
        collect: () => this.#write(counter, (at, value) => counter.inc(at, value)),
      })
    } else {
      const gauge: Gauge<Label> = new Gauge({
        ...shared,
        collect: () => this.#write(gauge, (at, value) => gauge.set(at, value)),
      })
    }
    if (options.labels.length === 0) this.cell()
  }

  /** The series of these label values, in the order of the labels. The same ones give the same cell. */
  cell(...values: readonly string[]): Cell {
    const key = values.join('\u0000')
    const known = this.#cells.get(key)
    if (known !== undefined) return known
    if (this.#cells.size >= this.#maxSeries) return this.#other()
    const fresh = { value: 0, values }
    this.#cells.set(key, fresh)
    return fresh
  }

  add(by: number, ...values: readonly string[]): void {
    this.cell(...values).value += by
  }

  set(value: number, ...values: readonly string[]): void {
    this.cell(...values).value = value
  }

  /** All series as they stand, their label values in the order of the labels. */
  rows(): readonly { readonly values: readonly string[]; readonly value: number }[] {
    return [...this.#cells.values()].map(({ values, value }) => ({ values, value }))
  }

  /** Forgets the series whose first labels have these values: what they were about is gone from the config. */
  remove(...values: readonly string[]): void {
    for (const [key, cell] of this.#cells)
      if (values.every((value, index) => cell.values[index] === value)) this.#cells.delete(key)
  }

  #other(): Cell {
    const values = this.#labels.map(() => OTHER)
    const key = values.join('\u0000')
    const known = this.#cells.get(key)
    if (known !== undefined) return known
    const fresh = { value: 0, values }
    this.#cells.set(key, fresh)
    return fresh
  }

  #write(
    metric: Counter<Label> | Gauge<Label>,
    put: (at: Record<Label, string>, value: number) => void,
  ): void {
    metric.reset()
    for (const { value, values } of this.#cells.values()) {
      const at = Object.fromEntries(
        this.#labels.map((label, index) => [label, values[index] ?? '']),
      ) as Record<Label, string> // one entry per label
      put(at, value)
    }
  }
}

/** A gauge that says by a 1 in which of its states something is; its last label is `state`. */
export class StateFamily<Label extends string> {
  readonly #family: Family<Label | 'state'>
  readonly #states: readonly string[]

  constructor(states: readonly string[], options: FamilyOptions<Label>) {
    this.#states = states
    this.#family = new Family('gauge', { ...options, labels: [...options.labels, 'state'] })
  }

  set(state: string, ...values: readonly string[]): void {
    for (const each of this.#states) this.#family.set(each === state ? 1 : 0, ...values, each)
  }

  remove(...values: readonly string[]): void {
    this.#family.remove(...values)
  }
}

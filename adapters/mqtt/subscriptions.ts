// Who subscribes to what: found by a topic's levels, so that a reply costs the same however many devices are connected.

interface Level<Holder> {
  below: Map<string, Level<Holder>> | undefined
  /** Of the filter that ends here. */
  holders: Holders<Holder> | undefined
}
type Holders<Holder> = Map<Holder, 0 | 1>

/** Filters without a wildcard stand by themselves, those with one in a tree by their levels (MQTT 3.1.1 §4.7). */
export class Subscriptions<Holder> {
  readonly #exact = new Map<string, Holders<Holder>>()
  readonly #root: Level<Holder> = newLevel()

  /** `qos` is what it is served with from now on. */
  set(filter: string, holder: Holder, qos: 0 | 1): void {
    if (!isWide(filter)) {
      const holders = this.#exact.get(filter) ?? new Map<Holder, 0 | 1>()
      this.#exact.set(filter, holders.set(holder, qos))
      return
    }
    let at = this.#root
    for (const name of filter.split('/')) {
      at.below ??= new Map()
      const next = at.below.get(name) ?? newLevel<Holder>()
      at.below.set(name, next)
      at = next
    }
    at.holders ??= new Map()
    at.holders.set(holder, qos)
  }

  delete(filter: string, holder: Holder): void {
    if (isWide(filter)) return remove(this.#root, filter.split('/'), holder)
    const holders = this.#exact.get(filter)
    if (holders?.delete(holder) === true && holders.size === 0) this.#exact.delete(filter)
  }

  /**
   * Each who subscribes to a topic, with the highest QoS of his filters [MQTT-3.3.5-1]; but where one of them is the topic itself, with that
   * one's, as aedes sends it so.
   */
  of(topic: string): ReadonlyMap<Holder, 0 | 1> {
    const found: Holders<Holder> = new Map()
    for (const holders of this.#wide(topic))
      for (const [holder, qos] of holders) if (found.get(holder) !== 1) found.set(holder, qos)
    for (const [holder, qos] of this.#exact.get(topic) ?? []) found.set(holder, qos)
    return found
  }

  *#wide(topic: string): Iterable<Holders<Holder>> {
    let levels = [this.#root]
    for (const [index, name] of topic.split('/').entries()) {
      // A leading wildcard matches no topic that begins with `$` [MQTT-4.7.2-1].
      const isClosed = index === 0 && name.startsWith('$')
      const next: Level<Holder>[] = []
      for (const { below } of levels) {
        if (below === undefined) continue
        const open = isClosed ? undefined : below.get('#')?.holders
        if (open !== undefined) yield open
        const named = below.get(name)
        if (named !== undefined) next.push(named)
        const any = isClosed ? undefined : below.get('+')
        if (any !== undefined) next.push(any)
      }
      if (next.length === 0) return
      levels = next
    }
    for (const { below, holders } of levels) {
      if (holders !== undefined) yield holders
      const open = below?.get('#')?.holders // §4.7.1.2: `sport/#` also matches `sport`
      if (open !== undefined) yield open
    }
  }
}

function newLevel<Holder>(): Level<Holder> {
  return { below: undefined, holders: undefined }
}

function isWide(filter: string): boolean {
  return filter.includes('+') || filter.includes('#')
}

/** Levels that hold nothing any more go too. */
function remove<Holder>(level: Level<Holder>, [name, ...rest]: readonly string[], holder: Holder): void {
  if (name === undefined) {
    level.holders?.delete(holder)
    if (level.holders?.size === 0) level.holders = undefined
    return
  }
  const next = level.below?.get(name)
  if (next === undefined) return
  remove(next, rest, holder)
  if (next.holders === undefined && (next.below?.size ?? 0) === 0) level.below?.delete(name)
}

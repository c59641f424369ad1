// Replies that wait for who subscribes to their topics, so that a subscription finds its own: a tree by the topics' levels.

interface Level {
  readonly below: Map<string, Level>
  /** The replies to this very topic. */
  readonly keys: Set<string>
}

/** Beyond it the oldest are forgotten: they are tried again all the same, a little later. */
const MOST = 100_000

export class Away {
  readonly #root = newLevel()
  /** The newest at the end. */
  readonly #topics = new Map<string, string>()
  readonly #sent = new Set<string>()

  /** From here on `waitingFor` finds it. */
  wait(key: string, topic: string): void {
    this.forget(key)
    let at = this.#root
    for (const name of topic.split('/')) {
      const next = at.below.get(name) ?? newLevel()
      at.below.set(name, next)
      at = next
    }
    at.keys.add(key)
    this.#topics.set(key, topic)
    for (const oldest of this.#topics.keys()) {
      if (this.#topics.size <= MOST) break
      this.forget(oldest)
    }
  }

  forget(key: string): void {
    const topic = this.#topics.get(key)
    if (topic === undefined) return
    this.#topics.delete(key)
    this.#sent.delete(key)
    remove(this.#root, topic.split('/'), key)
  }

  /** Another instance says, later than it was waited for, that it was acknowledged there. False: it does not wait here. */
  acknowledged(key: string): boolean {
    if (!this.#topics.has(key)) return false
    this.#sent.add(key)
    return true
  }

  isAcknowledged(key: string): boolean {
    return this.#sent.has(key)
  }

  /** The replies to the topics that a filter matches (MQTT 3.1.1 §4.7). */
  waitingFor(filter: string): readonly string[] {
    let found = [this.#root]
    for (const name of filter.split('/')) {
      if (name === '#') return found.flatMap((level) => [...all(level)])
      found = found.flatMap(({ below }) => {
        if (name === '+') return [...below.values()]
        const next = below.get(name)
        return next === undefined ? [] : [next]
      })
    }
    return found.flatMap(({ keys }) => [...keys])
  }
}

function newLevel(): Level {
  return { below: new Map(), keys: new Set() }
}

function* all({ below, keys }: Level): Iterable<string> {
  yield* keys
  for (const level of below.values()) yield* all(level)
}

/** Levels that hold nothing any more go too. */
function remove(level: Level, [name, ...rest]: readonly string[], key: string): void {
  if (name === undefined) {
    level.keys.delete(key)
    return
  }
  const next = level.below.get(name)
  if (next === undefined) return
  remove(next, rest, key)
  if (next.keys.size === 0 && next.below.size === 0) level.below.delete(name)
}

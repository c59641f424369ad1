// Who has a thing there is one of: an address, a client id. A changed channel starts before the one it replaces ends.

export interface Claim {
  /** It is yours now: at once, or when who came after you ends. */
  take(): void
  /** Somebody newer has it. */
  yield(): void
}

const claims = new Map<string, Claim[]>()

/** The newest claim to a name has it; when it is released, the one before gets it back. Returns what releases it. */
export function claim(name: string, mine: Claim): () => void {
  const held = claims.get(name) ?? []
  claims.set(name, held)
  held.at(-1)?.yield()
  held.push(mine)
  mine.take()
  return () => {
    const index = held.indexOf(mine)
    if (index === -1) return
    const wasLast = index === held.length - 1
    held.splice(index, 1)
    if (held.length === 0 && claims.get(name) === held) claims.delete(name)
    if (!wasLast) return
    mine.yield()
    held.at(-1)?.take()
  }
}

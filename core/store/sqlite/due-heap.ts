// A binary heap of moments. An entry is valid while its lane still names that moment; the others are skipped when they surface.

const SMALL = 1024

export interface Timed {
  timed: number | undefined
}

export interface DueEntry<Lane extends Timed> {
  readonly due: number
  readonly lane: Lane
}

export class DueHeap<Lane extends Timed> {
  #entries: DueEntry<Lane>[] = []
  #compactAt = SMALL

  push(entry: DueEntry<Lane>): void {
    if (this.#entries.length >= this.#compactAt) this.#compact()
    const entries = this.#entries
    let index = entries.length
    entries.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = entries[parent]
      if (above === undefined || above.due <= entry.due) break
      entries[index] = above
      index = parent
    }
    entries[index] = entry
  }

  /** The earliest valid entry. */
  first(): DueEntry<Lane> | undefined {
    for (;;) {
      const top = this.#entries[0]
      if (top === undefined || isValid(top)) return top
      this.pop()
    }
  }

  pop(): void {
    const entries = this.#entries
    const last = entries.pop()
    if (last === undefined || entries.length === 0) return
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      const left = entries[child]
      if (left === undefined) break
      const right = entries[child + 1]
      const least = right !== undefined && right.due < left.due ? right : left
      if (least === right) child++
      if (least.due >= last.due) break
      entries[index] = least
      index = child
    }
    entries[index] = last
  }

  /** Callbacks that came in time leave entries that surface only when they would have been missed. */
  #compact(): void {
    // A sorted array is a heap.
    this.#entries = this.#entries.filter(isValid).sort((a, b) => a.due - b.due)
    this.#compactAt = Math.max(SMALL, this.#entries.length * 2)
  }

  /** How many entries are kept, valid or not. */
  get size(): number {
    return this.#entries.length
  }
}

function isValid<Lane extends Timed>({ due, lane }: DueEntry<Lane>): boolean {
  return lane.timed === due
}

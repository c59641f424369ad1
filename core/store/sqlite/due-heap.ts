// A binary heap of moments. An entry is valid while its lane still names that moment; the others are skipped when they surface.

export interface Timed {
  timed: number | undefined
}

export interface DueEntry<Lane extends Timed> {
  readonly due: number
  readonly lane: Lane
}

export class DueHeap<Lane extends Timed> {
  readonly #entries: DueEntry<Lane>[] = []

  push(entry: DueEntry<Lane>): void {
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
      if (top === undefined || top.lane.timed === top.due) return top
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
}

// What the chat page keeps in the browser. One that refuses storage (its settings, a frame) refuses all of it: then the page does without.
import { indexedDbBox, memoryBox } from '../client/browser.ts'
import type { Box } from '../client/browser.ts'

type Place = 'localStorage' | 'sessionStorage'

export function recall(place: Place, key: string): string | undefined {
  return tried(() => globalThis[place].getItem(key) ?? undefined)
}

/** The box of this name; where the browser gives none, `onRefused` hears it, and what is put in lives as long as the page. */
export function boxAtHand(name: string, onRefused: () => void): Box {
  let box = indexedDbBox(name)
  return {
    async open(opening) {
      try {
        return await box.open(opening)
      } catch (error) {
        if (opening?.signal.aborted === true) throw error
        await box.close()
        box = memoryBox()
        onRefused()
        return box.open()
      }
    },
    write: (changes) => box.write(changes),
    close: () => box.close(),
  }
}

/** Undefined removes it. */
export function keep(place: Place, key: string, value: string | undefined): void {
  tried(() =>
    value === undefined ? globalThis[place].removeItem(key) : globalThis[place].setItem(key, value),
  )
}

/** SecurityError where it is refused, QuotaExceededError where it is full. */
function tried<T>(access: () => T): T | undefined {
  try {
    return access()
  } catch (error) {
    if (error instanceof DOMException) return undefined
    throw error
  }
}

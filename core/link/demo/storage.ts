// What the chat page keeps in the browser beside the box. One that refuses storage (its settings, a frame) throws at the mere name: then the page does without.

type Place = 'localStorage' | 'sessionStorage'

export function recall(place: Place, key: string): string | undefined {
  return tried(() => globalThis[place].getItem(key) ?? undefined)
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

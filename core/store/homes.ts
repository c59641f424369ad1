// What a home's name says: `NAMESPACE/CUSTOMER` (SEMANTICS 9), and which home a dedupe key is of (SEMANTICS 8).

/** Between the parts of a dedupe key: part of no name, because control characters are refused before. */
export const DEDUPE_SEPARATOR = '\u001F'

/** The namespaces of what people send by a credential of their own: no channel is called so (config/places.ts, `NAME`). */
export const OWN = { customer: 'link', agent: '~agent' } as const

/** Whether it is a home of a person at the desk, who may have a customer's name (SEMANTICS 9). */
export function isOfAgent(home: string): boolean {
  return home.startsWith(`${OWN.agent}/`)
}

export function customerOf(home: string): string {
  return home.slice(home.indexOf('/') + 1)
}

/** The home of who claimed a key of namespace, principal, sender and external id; null for a key of another making. */
export function homeOfKey(key: string): string | null {
  const [namespace, principal, sender, id] = key.split(DEDUPE_SEPARATOR)
  if (namespace === undefined || principal === undefined || sender === undefined || id === undefined)
    return null
  return `${namespace}/${sender}`
}

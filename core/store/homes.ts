// What a home's name says: `NAMESPACE/CUSTOMER` (SEMANTICS 9).

export function customerOf(home: string): string {
  return home.slice(home.indexOf('/') + 1)
}

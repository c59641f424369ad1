// The prefixes in scope of an element, as a chain: a document that declares much in deep places costs what it holds, not its square.

/** A read-only map over its own declarations and, behind them, those of the elements around. */
export class NamespaceScope implements ReadonlyMap<string, string> {
  readonly #own: ReadonlyMap<string, string>
  readonly #outer: NamespaceScope | undefined
  #lastInner: NamespaceScope | undefined
  /** What was asked last: neighbours are mostly of one namespace. */
  #lastPrefix: string | undefined
  #lastUri: string | undefined

  constructor(own: ReadonlyMap<string, string>, outer?: NamespaceScope) {
    this.#own = own
    this.#outer = outer
  }

  /** The scope with these declarations inside this one; siblings that declare the same share it. */
  inner(own: ReadonlyMap<string, string>): NamespaceScope {
    const last = this.#lastInner
    if (last !== undefined && sameEntries(last.#own, own)) return last
    this.#lastInner = new NamespaceScope(own, this)
    return this.#lastInner
  }

  /** What its element declares itself; `''` for `xmlns=""`. */
  get own(): ReadonlyMap<string, string> {
    return this.#own
  }

  get(prefix: string): string | undefined {
    if (prefix !== this.#lastPrefix) {
      const uri = this.#own.get(prefix) ?? this.#outer?.get(prefix) // as deep as the document at most
      this.#lastPrefix = prefix
      this.#lastUri = uri === '' ? undefined : uri // xmlns="": Namespaces in XML 1.0 §6.2
    }
    return this.#lastUri
  }

  has(prefix: string): boolean {
    return this.get(prefix) !== undefined
  }

  get size(): number {
    return this.#flat().size
  }

  entries(): MapIterator<[string, string]> {
    return this.#flat().entries()
  }

  keys(): MapIterator<string> {
    return this.#flat().keys()
  }

  values(): MapIterator<string> {
    return this.#flat().values()
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries()
  }

  forEach(visit: (uri: string, prefix: string, map: ReadonlyMap<string, string>) => void): void {
    for (const [prefix, uri] of this.#flat()) visit(uri, prefix, this)
  }

  #flat(): Map<string, string> {
    const flat = this.#outer === undefined ? new Map<string, string>() : this.#outer.#flat()
    for (const [prefix, uri] of this.#own)
      if (uri === '') flat.delete(prefix)
      else flat.set(prefix, uri)
    return flat
  }
}

function sameEntries(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}

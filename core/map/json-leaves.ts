// Every single value of a JSON text, with its path and its place in the text: read and exchanged without touching a digit.

export interface JsonLeaf {
  /** `order.items[0].sku`; the whole text's own value has the path ``. */
  readonly path: string
  /** The nearest name above it: `sku`, and `tags` for an item of that list. */
  readonly member: string
  /** A text without its quotes, a number as it is written, `true`, `false`, `null`. */
  readonly text: string
  readonly kind: 'text' | 'number' | 'boolean' | 'null'
  /** Where its literal stands. */
  readonly start: number
  readonly end: number
}

/** The leaves in order; empty objects and lists have none. Throws `SyntaxError` for what is not JSON. */
export function jsonLeaves(source: string): readonly JsonLeaf[] {
  JSON.parse(source) // from here on the text is well-formed, so that the scan need not check anything
  const leaves: JsonLeaf[] = []
  const token = new RegExp(TOKEN)
  /** The way down: a member's name, or an index that counts. */
  const way: (string | number)[] = []
  let name: string | undefined
  for (let match = token.exec(source); match !== null; match = token.exec(source)) {
    const [literal] = match
    switch (literal) {
      case '{':
        way.push('')
        break
      case '[':
        way.push(0)
        break
      case '}':
      case ']':
        way.pop()
        break
      case ',': {
        const last = way.at(-1)
        if (typeof last === 'number') way[way.length - 1] = last + 1
        break
      }
      case ':':
        way[way.length - 1] = name ?? ''
        break
      default: {
        const value: unknown = JSON.parse(literal)
        if (typeof value === 'string' && isName(source, token.lastIndex)) {
          name = value
          break
        }
        leaves.push({
          path: pathOf(way),
          member: way.findLast((step) => typeof step === 'string') ?? '',
          text: typeof value === 'string' ? value : literal,
          kind: kindOf(value),
          start: match.index,
          end: token.lastIndex,
        })
      }
    }
  }
  return leaves
}

/** The text with one leaf's literal exchanged. */
export function replaceLeaf(source: string, { start, end }: JsonLeaf, literal: string): string {
  return `${source.slice(0, start)}${literal}${source.slice(end)}`
}

const TOKEN = /[{}[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/gs

function isName(source: string, end: number): boolean {
  const after = /\S/g
  after.lastIndex = end
  return after.exec(source)?.[0] === ':'
}

function kindOf(value: unknown): JsonLeaf['kind'] {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'boolean') return 'boolean'
  return value === null ? 'null' : 'number'
}

function pathOf(way: readonly (string | number)[]): string {
  return way
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`
      const plain = /^[@#]?[\p{L}\p{N}_-]+$/u.test(step)
      if (!plain) return `[${JSON.stringify(step)}]`
      return index === 0 ? step : `.${step}`
    })
    .join('')
}

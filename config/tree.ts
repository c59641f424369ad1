// The file as plain data, with the place of every key and value.
import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, LineCounter, Pair, Scalar } from 'yaml'
import { escaped, interpolate, isMasked, mask, reservedCharacter, strayVariable } from './interpolate.ts'
import type { Environment, Fill, Masked } from './interpolate.ts'
import { ConfigError, formatPath, prefixOf } from './problems.ts'
import type { Path, Position, Problem } from './problems.ts'
import { MAX_DEPTH, countLines, lostDigits, positionAt, readingOf, syntaxProblems } from './syntax.ts'
import { isSecretName, isSecretPlace, redact, redactable, urlSecrets } from './secrets.ts'

/** Where a value stands, and what else is known of it. */
export interface Place {
  readonly key?: Position
  readonly value: Position
  /** The position of a character of a text; undefined where escapes or variables moved it. */
  at?(offset: number): Position
  /** The text as it may be shown, where variables were put in: `http://${HOST}/`. */
  readonly shown?: string
  /** Puts the variables' values in anew. */
  readonly fill?: Fill
  /** How else a text made of variables may be meant: `8080` is a number where the schema wants one. */
  readonly reading?: number | boolean
  readonly secret: boolean
}

export interface Tree {
  /** As the caller named it. */
  readonly file: string
  /** Maps have no prototype; scalars are string, number, boolean or null. */
  readonly root: unknown
  /** Values for redaction: by the name of their key or variable, and passwords in URLs. */
  readonly secrets: readonly string[]
  /** What does not keep the rest from being checked: unset variables, doubled keys, … */
  readonly problems: readonly Problem[]
  place(path: Path): Place | undefined
}

const MAX_CHARACTERS = 1024 * 1024
const MAX_NODES = 50_000

/** Reads YAML 1.2 (core schema, one document). Throws `ConfigError` where it is none, or is a bomb. */
export function parseTree(file: string, text: string, env: Environment): Tree {
  const lines = countLines(text)
  const refuse = (message: string, offset = 0): ConfigError =>
    new ConfigError([{ file, ...positionAt(lines, offset), message, path: '' }])

  if (text.length > MAX_CHARACTERS)
    throw refuse(`the file has ${text.length} characters: ${MAX_CHARACTERS} are the limit`)
  const masked = mask(text)
  const document = parseDocument(masked.text, {
    prettyErrors: false,
    uniqueKeys: false, // doubled keys are reported with both places, together with everything else
    schema: 'core',
    merge: false,
  })
  const reserved = reservedCharacter(text)
  if (reserved !== -1) throw refuse('the characters U+F8F0 to U+F8F2 are reserved', reserved)
  const faults = syntaxProblems(file, document, lines, masked)
  if (faults.length > 0) throw new ConfigError(faults)
  return new Builder({ file, text, masked, lines, env }, refuse).build(document)
}

interface Source {
  readonly file: string
  readonly text: string
  readonly masked: Masked
  readonly lines: LineCounter
  readonly env: Environment
}

/** Walks the nodes once, aliases included, within the limits. */
class Builder {
  readonly #source: Source
  readonly #refuse: (message: string, offset?: number) => ConfigError
  readonly #places = new Map<string, Place>()
  readonly #anchors = new Map<string, unknown>()
  readonly #problems: Problem[] = []
  readonly #secrets: string[] = []
  #nodes = 0

  constructor(source: Source, refuse: (message: string, offset?: number) => ConfigError) {
    this.#source = source
    this.#refuse = refuse
  }

  build(document: Document.Parsed): Tree {
    const root = this.#value(document.contents, [], { inAlias: false })
    const secrets = redactable(this.#secrets)
    return {
      file: this.#source.file,
      root,
      secrets,
      problems: this.#problems.map((problem) => ({ ...problem, message: redact(problem.message, secrets) })),
      place: (path) => this.#places.get(placeKey(path)),
    }
  }

  #value(node: unknown, path: Path, how: { inAlias: boolean; key?: Position }): unknown {
    const offset = startOf(node)
    if (++this.#nodes > MAX_NODES)
      throw this.#refuse(`more than ${MAX_NODES} values, aliases counted as what they stand for`, offset)
    if (path.length > MAX_DEPTH)
      throw this.#refuse(
        `nested more than ${MAX_DEPTH} levels deep${isAlias(node) ? ' by an alias' : ''}`,
        offset,
      )
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source)
      if (target === undefined) throw this.#refuse(`nothing before it is named &${node.source}`, offset)
      return this.#value(target, path, { ...how, inAlias: true })
    }
    // An alias stands for the last node of that name before it in the file, not for one that it drags in.
    if (!how.inAlias && (isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined)
      this.#anchors.set(node.anchor, node)

    const position = { value: positionAt(this.#source.lines, offset), ...(how.key && { key: how.key }) }
    if (isScalar(node)) return this.#scalar(node, path, position)
    this.#places.set(placeKey(path), { ...position, secret: false })
    if (isSeq(node))
      return node.items.map((item, index) => this.#value(item, [...path, index], { inAlias: how.inAlias }))
    if (isMap(node)) return this.#map(node.items, path, how.inAlias)
    return null
  }

  #map(pairs: readonly Pair[], path: Path, inAlias: boolean): unknown {
    const map: Record<string, unknown> = Object.create(null) // null prototype: names come from the file
    const seen = new Map<string, Position>()
    for (const pair of pairs) {
      const key = positionAt(this.#source.lines, startOf(pair.key))
      const name = this.#keyName(pair.key)
      const before = name === undefined ? undefined : seen.get(name)
      if (name === undefined) {
        this.#report(key, path, 'a key must be a plain text without variables')
      } else if (name === '__proto__') {
        this.#report(key, [...path, name], 'this name cannot be used')
      } else if (before !== undefined) {
        this.#report(
          key,
          [...path, name],
          `the key stands twice, first in line ${before.line}: put what belongs to it in one place`,
        )
      } else {
        seen.set(name, key)
        map[name] = this.#value(pair.value, [...path, name], { inAlias, key })
        // `name:` without anything behind it has no node, hence no place of its own.
        if (!this.#places.has(placeKey([...path, name])))
          this.#places.set(placeKey([...path, name]), { key, value: key, secret: false })
      }
    }
    return map
  }

  /** `1: x` and `true: x` are named as they are written. */
  #keyName(node: unknown): string | undefined {
    if (!isScalar(node)) return node === null ? '' : undefined
    const name = typeof node.value === 'string' ? node.value : (node.source ?? '')
    return isMasked(name) ? undefined : name
  }

  #scalar(node: Scalar, path: Path, position: { key?: Position; value: Position }): unknown {
    const { lines, text: source, masked, env } = this.#source
    const { value } = node
    const secret = isSecretPlace(path)
    if (typeof value !== 'string') {
      this.#places.set(placeKey(path), { ...position, secret })
      const lost = typeof value === 'number' ? lostDigits(value, node.source ?? '') : undefined
      if (lost !== undefined) this.#report(position.value, path, lost)
      return value
    }

    const start = startOf(node) + (node.type === 'PLAIN' ? 0 : 1)
    const exact = source.startsWith(value, start)
    const at = (offset: number): Position => positionAt(lines, start + Math.min(offset, value.length - 1))
    const stray = strayVariable(value)
    if (stray !== -1) {
      const where = masked.text.startsWith(value, start) ? at(stray) : position.value
      this.#report(where, path, STRAY)
    }
    if (!isMasked(value)) {
      this.#places.set(placeKey(path), { ...position, ...(exact && { at }), secret })
      this.#remember(value, secret)
      return value
    }

    const { text, fill, shown, values, unset } = interpolate(value, masked.variables, env)
    for (const name of unset)
      this.#report(
        position.value,
        path,
        `the environment variable ${name} is not set: set it, or write \${${name}:-default}`,
      )
    const reading = node.type === 'PLAIN' ? readingOf(text) : undefined
    this.#places.set(placeKey(path), {
      ...position,
      shown,
      fill,
      ...(reading !== undefined && { reading }),
      secret,
    })
    this.#remember(text, secret)
    for (const each of values)
      for (const form of [each.value, escaped(each.value)])
        this.#remember(form, secret || isSecretName(each.name))
    return text
  }

  #remember(text: string, secret: boolean): void {
    this.#secrets.push(...(secret ? [text] : []), ...urlSecrets(text))
  }

  #report(position: Position, path: Path, message: string): void {
    const { file } = this.#source
    this.#problems.push({ file, ...position, message: prefixOf(path) + message, path: formatPath(path) })
  }
}

const STRAY =
  'a variable is written ${NAME} or ${NAME:-default}, and the default holds no second one; $${ stands for a plain ${'

function placeKey(path: Path): string {
  return JSON.stringify(path.map(String))
}

function startOf(node: unknown): number {
  const hasRange = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)
  return hasRange ? (node.range?.[0] ?? 0) : 0
}

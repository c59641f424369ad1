// Patterns of XSD (Part 2, appendix F) as automata: matched in time linear in the value, whatever the pattern is.
import type { CharClass } from './schema-charclass.ts'
import { codeOf, NotAPattern, parsePattern } from './schema-regex.ts'
import type { PatternNode } from './schema-regex.ts'

// JavaScript's RegExp backtracks: one nested quantifier in a WSDL and one hostile value would hold the process for hours.

export interface Pattern {
  readonly matches: (value: string) => boolean
  /** A shortest value that matches, of `atLeast` characters (default 0) or more, if one is found. */
  readonly example: (atLeast?: number) => string | undefined
}

/** States after the bounded repeats are written out; a pattern that needs more is not enforced. */
const maxStates = 5000

/** Undefined for a pattern outside the grammar of appendix F, or too large: it cannot be enforced. */
export function compilePattern(source: string): Pattern | undefined {
  const strict = automaton(source)
  // "^" and "$" are plain characters here, but many schemas were written as if they were anchors: both are taken.
  const anchored = /^\^|[^\\]\$$/.test(source)
    ? automaton(source.replace(/^\^/, '').replace(/\$$/, ''))
    : undefined
  const machines = [anchored, strict].filter((machine) => machine !== undefined)
  const [first] = machines
  if (first === undefined) return undefined
  return {
    matches: (value) => machines.some((machine) => run(machine, value)),
    example: (atLeast = 0) => shortest(first, atLeast),
  }
}

function automaton(source: string): Machine | undefined {
  try {
    return build(parsePattern(source))
  } catch (error) {
    if (error instanceof NotAPattern) return undefined
    throw error
  }
}

/** A state reads a character (`is`) and goes to `next`, or goes to both without reading; state 0 is the end. */
interface State {
  is: CharClass | undefined
  next: number
  other: number
}
interface Machine {
  readonly states: readonly State[]
  readonly start: number
}

function build(node: PatternNode): Machine {
  const states: State[] = [{ is: undefined, next: 0, other: 0 }]
  const add = (state: State): number => {
    if (states.length >= maxStates) throw new NotAPattern()
    return states.push(state) - 1
  }
  /** Built from its end: the state to begin with so that `then` follows. */
  const before = (part: PatternNode, then: number): number => {
    if (part.kind === 'char') return add({ is: part.is, next: then, other: then })
    if (part.kind === 'sequence') return part.items.reduceRight((after, item) => before(item, after), then)
    if (part.kind === 'choice')
      return part.items
        .map((item) => before(item, then))
        .reduce((one, two) => add({ is: undefined, next: one, other: two }))
    let at = then
    if (part.max === Infinity) {
      const loop = add({ is: undefined, next: then, other: then })
      const again = before(part.item, loop)
      const state = states[loop]
      if (state !== undefined) state.other = again
      at = loop
    } else
      for (let i = part.min; i < part.max; i++)
        at = add({ is: undefined, next: then, other: before(part.item, at) })
    for (let i = 0; i < part.min; i++) at = before(part.item, at)
    return at
  }
  const start = before(node, 0)
  return { states, start }
}

/** All states at once (Thompson 1968): each character costs at most one look at each state. */
function run({ states, start }: Machine, value: string): boolean {
  const seen = new Uint32Array(states.length)
  let generation = 0
  const closure = (from: readonly number[]): number[] => {
    generation++
    const reading: number[] = []
    const waiting = [...from]
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (seen[at] === generation) continue
      seen[at] = generation
      const state = states[at]
      if (state === undefined) continue
      if (at === 0 || state.is !== undefined) reading.push(at)
      else waiting.push(state.next, state.other)
    }
    return reading
  }
  let current = closure([start])
  for (const character of value) {
    const code = codeOf(character)
    const reached: number[] = []
    for (const at of current) {
      const state = states[at]
      if (at !== 0 && state?.is?.(code) === true) reached.push(state.next)
    }
    if (reached.length === 0) return false
    current = closure(reached)
  }
  return current.includes(0)
}

const likely = 'A1a0-./:@_ ,+é中'

/** Places an example is looked for in: states times characters. */
const maxPlaces = 50_000

/** Breadth first; a place is a state and how many characters led there, up to as many as are wanted. */
function shortest({ states, start }: Machine, atLeast: number): string | undefined {
  if (states.length * (atLeast + 1) > maxPlaces) return undefined
  const found = new Map<number, string>([[start, '']])
  const queue = [start]
  for (let place = queue.shift(); place !== undefined; place = queue.shift()) {
    const at = place % states.length
    const many = Math.floor(place / states.length)
    const state = states[at]
    const text = found.get(place) ?? ''
    if (at === 0 && many === atLeast) return text
    if (at === 0 || state === undefined) continue
    const reads = state.is === undefined ? '' : representative(state.is)
    if (reads === undefined) continue
    const reached = reads === '' ? many : Math.min(many + 1, atLeast)
    for (const next of [state.next, state.other]) {
      const there = reached * states.length + next
      if (found.has(there)) continue
      found.set(there, text + reads)
      if (reads === '') queue.unshift(there)
      else queue.push(there)
    }
  }
  return undefined
}

function representative(is: CharClass): string | undefined {
  const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
  const usual = [...Array.from(likely), ...printable].find((character) => is(codeOf(character)))
  if (usual !== undefined) return usual
  for (let code = 0x80; code < 0xd800; code++) if (is(code)) return String.fromCharCode(code)
  return undefined
}

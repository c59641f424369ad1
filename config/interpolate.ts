// `${NAME}` and `${NAME:-default}`: hidden from the YAML parser, put in afterwards, so that no value can change the structure.

/** One `${…}` of the file. */
export interface Variable {
  readonly name: string
  /** Taken where the environment has nothing or an empty text; taken literally. */
  readonly fallback?: string
  /** `$${NAME}`: it stands for the text `${NAME}` itself. */
  readonly escaped: boolean
  readonly source: string
}

export interface Masked {
  /** As long as the original, character for character, so that every position stays right. */
  readonly text: string
  readonly variables: readonly Variable[]
}

/** The text with what `put` makes of each value; `index` counts the variables that have one. */
export type Fill = (put: (value: string, index: number) => string) => string

export interface Interpolated {
  readonly text: string
  readonly fill: Fill
  /** What may be shown instead: `${NAME}`, without value or default. */
  readonly shown: string
  /** The texts that were put in, by variable. */
  readonly values: readonly { readonly name: string; readonly value: string }[]
  /** Variables that are not set and have no default. */
  readonly unset: readonly string[]
}

export type Environment = Readonly<Record<string, string | undefined>>

// A default holds no second variable: the inner one would be taken alone and the rest reported.
const VARIABLE = /(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{)[^}\r\n])*))?\}/gu
// A plain scalar in a flow mapping (`{ secret: ${X:-} }`) may hold no braces (YAML 1.2.2 §7.3.3), so each variable is
// replaced by private-use characters, which are allowed everywhere: an opening one, two digits, filling, a closing one.
const OPEN = '\uF8F0'
const CLOSE = '\uF8F1'
const FILL = '\uF8F2'
const DIGIT = 0xe000
const RADIX = 2048
const HIDDEN = /\uF8F0([\uE000-\uE7FF])([\uE000-\uE7FF])\uF8F2*\uF8F1|\$\$\{/gu
const PLACEHOLDER = /\uF8F0([\uE000-\uE7FF])([\uE000-\uE7FF])\uF8F2*\uF8F1/gu

/** Stands for `${` where no variable follows. */
const ESCAPED = '$${'

/** Where the text holds a character that is needed for hiding; -1: nowhere. */
export function reservedCharacter(text: string): number {
  return text.search(/[\uF8F0-\uF8F2]/u)
}

/** Hides every variable behind a placeholder of the same length. */
export function mask(text: string): Masked {
  const variables: Variable[] = []
  const masked = text.replaceAll(
    VARIABLE,
    (source, escape: string, name: string, fallback: string | undefined) => {
      const index = variables.length
      variables.push({ name, escaped: escape !== '', source, ...(fallback !== undefined && { fallback }) })
      const digits = String.fromCharCode(DIGIT + Math.floor(index / RADIX), DIGIT + (index % RADIX))
      return OPEN + digits + FILL.repeat(source.length - digits.length - 2) + CLOSE
    },
  )
  return { text: masked, variables }
}

/** The text as it stands in the file. */
export function unmask(text: string, variables: readonly Variable[]): string {
  return text.replaceAll(PLACEHOLDER, (_, high: string, low: string) => {
    return variableOf(variables, high, low).source
  })
}

/** Whether anything in it is hidden or escaped. */
export function isMasked(text: string): boolean {
  return text.includes(OPEN) || text.includes(ESCAPED)
}

/** Where a `${` stands that is no variable (`${A-B}`, `${A:-${B}}`) and not escaped; -1: nowhere. */
export function strayVariable(maskedText: string): number {
  return maskedText.search(/(?<!\$)\$\{/u)
}

/** Puts the values in. As in a shell, `:-` also stands in for an empty value. */
export function interpolate(
  maskedText: string,
  variables: readonly Variable[],
  env: Environment,
): Interpolated {
  const values: { name: string; value: string }[] = []
  const unset: string[] = []
  const valueOf = ({ name, fallback }: Variable): string | undefined => {
    const given = Object.hasOwn(env, name) ? env[name] : undefined
    return given === undefined || given === '' ? (fallback ?? given) : given
  }
  const text = replaceMasked(maskedText, variables, (variable) => {
    const { name } = variable
    const value = valueOf(variable)
    if (value === undefined) unset.push(name)
    else values.push({ name, value })
    return value ?? ''
  })
  const fill: Fill = (put) => {
    let index = 0
    return replaceMasked(maskedText, variables, (variable) => {
      const value = valueOf(variable)
      return value === undefined ? '' : put(value, index++)
    })
  }
  const shown = replaceMasked(maskedText, variables, ({ name }) => `\${${name}}`)
  return { text, fill, shown, values, unset }
}

/** As JSONata reads it between quotes of either kind; `}` too, which would end the expression of a template. */
export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1).replaceAll("'", '\\u0027').replaceAll('}', '\\u007d')
}

/** One pass: what is put in is not looked at again. */
function replaceMasked(
  maskedText: string,
  variables: readonly Variable[],
  replacement: (variable: Variable) => string,
): string {
  return maskedText.replaceAll(HIDDEN, (match, high: string | undefined, low: string | undefined) => {
    if (high === undefined || low === undefined) return match.slice(1)
    const variable = variableOf(variables, high, low)
    return variable.escaped ? variable.source.slice(1) : replacement(variable)
  })
}

function variableOf(variables: readonly Variable[], high: string, low: string): Variable {
  const index = (high.charCodeAt(0) - DIGIT) * RADIX + (low.charCodeAt(0) - DIGIT)
  const variable = variables[index]
  // Placeholders are made by `mask` alone: texts that hold its characters are refused before.
  if (variable === undefined) throw new RangeError(`placeholder ${index} of ${variables.length}`)
  return variable
}

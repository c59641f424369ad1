// PICTURE: what the characters of a PIC clause say of a field.

export interface NumberPicture {
  readonly kind: 'number'
  /** Digits that are stored. */
  readonly digits: number
  /** Places the decimal point stands left of the last digit; negative: zeros that are not stored (P) follow. */
  readonly scale: number
  readonly isSigned: boolean
}
export interface TextPicture {
  readonly kind: 'text'
  readonly size: number
  /** Numeric edited (`Z,ZZ9.99-`): what the program has formatted, taken as the text it is. */
  readonly isEdited: boolean
}
export type Picture = NumberPicture | TextPicture

/** COBOL programs have 18 digits, with ARITH(EXTEND) 31, GnuCOBOL 38. */
const MAX_DIGITS = 38
const MAX_TEXT = 1_048_576

/** Throws `RangeError` for what is no picture or has no fixed meaning here. */
export function parsePicture(text: string): Picture {
  const symbols = symbolsOf(text.toUpperCase())
  if (symbols.every(({ symbol }) => 'SV9P'.includes(symbol))) return numeric(text, symbols)
  if (symbols.some(({ symbol }) => 'NGE1'.includes(symbol)))
    throw new RangeError(`PIC ${text}: national, DBCS, bit and floating-point items are not read`)
  if (symbols.every(({ symbol }) => 'XA9B0/'.includes(symbol)))
    return { kind: 'text', size: sizeOf(text, symbols), isEdited: false }
  if (symbols.some(({ symbol }) => 'XA'.includes(symbol)))
    throw new RangeError(`PIC ${text} mixes text with the symbols of edited numbers`)
  return { kind: 'text', size: sizeOf(text, symbols), isEdited: true }
}

interface Symbols {
  readonly symbol: string
  readonly count: number
}

function symbolsOf(text: string): readonly Symbols[] {
  const found: Symbols[] = []
  let rest = text
  while (rest !== '') {
    const match = /^(CR|DB|[SVXA9PNGE1ZB0/,.+*$-])(?:\((\d{1,7})\))?/.exec(rest)
    if (match === null) throw new RangeError(`PIC ${text}: "${rest.slice(0, 10)}" is no picture`)
    const count = Number(match[2] ?? 1)
    if (count === 0) throw new RangeError(`PIC ${text} repeats a symbol 0 times`)
    found.push({ symbol: match[1] ?? '', count })
    rest = rest.slice(match[0].length)
  }
  if (found.length === 0) throw new RangeError('PIC has no picture behind it')
  return found
}

function numeric(text: string, symbols: readonly Symbols[]): NumberPicture {
  const shape = symbols.map(({ symbol }) => symbol).join('')
  const match = /^(S?)(?:(9+)(P*)V?|(9*)V(9+)|V?(P+)(9+))$/.exec(shape)
  if (match === null) throw new RangeError(`PIC ${text} is no number: S stands first, one V, P at one end`)
  const places = (from: number, symbol: string): number =>
    symbols.slice(from).reduce((sum, each) => sum + (each.symbol === symbol ? each.count : 0), 0)
  const digits = places(0, '9')
  const point = symbols.findIndex(({ symbol }) => symbol === 'V')
  const isScaledLeft = match[6] !== undefined
  const behind = point === -1 ? 0 : places(point, '9')
  const scale = isScaledLeft ? digits + places(0, 'P') : behind - places(0, 'P')
  if (digits > MAX_DIGITS || Math.abs(scale) > MAX_DIGITS)
    throw new RangeError(`PIC ${text} has more than ${MAX_DIGITS} digits`)
  return { kind: 'number', digits, scale, isSigned: match[1] === 'S' }
}

function sizeOf(text: string, symbols: readonly Symbols[]): number {
  const size = symbols.reduce(
    (sum, { symbol, count }) => sum + (symbol === 'V' ? 0 : count * symbol.length),
    0,
  )
  if (size > MAX_TEXT) throw new RangeError(`PIC ${text} is longer than ${MAX_TEXT} bytes`)
  return size
}

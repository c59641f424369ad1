// Exact decimals: between the text of a number and the digits a field stores. Never by way of a float.
import type { Json } from 'dragoman'
import type { NumberPicture } from './picture.ts'

export interface Stored {
  readonly isNegative: boolean
  /** As many as the picture has. */
  readonly digits: string
}

/** A number may be longer than its field only by zeros; nobody sends more of them. */
const MAX_LENGTH = 100

/** Throws `RangeError` for what is no plain decimal number, or does not fit exactly. */
export function storedOf(value: Json, picture: NumberPicture): Stored {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(lexical(value))
  if (match === null) throw new RangeError(`${shown(value)} is no decimal number such as "-12.50"`)
  const [, sign = '', whole = '', fraction = ''] = match
  const { scale } = picture
  const places = Math.max(scale, 0)
  const kept = whole + fraction.slice(0, places).padEnd(places, '0')
  const zeros = Math.max(-scale, 0)
  const significant = kept.slice(0, kept.length - zeros).replace(/^0+/, '')
  const lost = fraction.slice(places) + kept.slice(Math.max(kept.length - zeros, 0))
  if (/[1-9]/.test(lost)) throw new RangeError(`${shown(value)} has more places than the field`)
  if (significant.length > picture.digits)
    throw new RangeError(`${shown(value)} has more digits than the field's ${picture.digits}`)
  const isNegative = sign === '-' && significant !== ''
  if (isNegative && !picture.isSigned)
    throw new RangeError(`${shown(value)} is negative and the field has no sign`)
  return { isNegative, digits: significant.padStart(picture.digits, '0') }
}

/**
 * The text of stored digits. A field without sign and decimal point may be a code: its zeros stay ("000777"). One with
 * either is an amount: "-12.50", without leading zeros, with all its decimals.
 */
export function textOf({ isNegative, digits }: Stored, { scale, isSigned }: NumberPicture): string {
  if (scale <= 0) {
    const whole = digits + '0'.repeat(-scale)
    return isSigned ? signed(whole.replace(/^0+(?=\d)/, ''), isNegative) : whole
  }
  const padded = digits.padStart(scale + 1, '0')
  const whole = padded.slice(0, -scale).replace(/^0+(?=\d)/, '')
  return signed(`${whole}.${padded.slice(-scale)}`, isNegative)
}

function signed(text: string, isNegative: boolean): string {
  return isNegative && /[1-9]/.test(text) ? `-${text}` : text
}

function lexical(value: Json): string {
  if (typeof value === 'number') {
    if (Number.isInteger(value) && !Number.isSafeInteger(value))
      throw new RangeError(`${value} is beyond what a JSON number holds exactly: send it as a text`)
    return String(value)
  }
  return typeof value === 'string' && value.length <= MAX_LENGTH ? value : ''
}

export function shown(value: Json): string {
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

// Values of XML-RPC as JSON, exactly.
import type { Json } from 'dragoman'
import { exactNumber } from '../xml/decimal.ts'
import { isLexical } from '../xml/lexical.ts'
import { childElements, textOf, isBlank } from '../xml/tree.ts'
import type { XmlElement } from '../xml/tree.ts'
import { invalid, isPlain, membersIn, valuesIn } from './xmlrpc-elements.ts'
import { isDateTime, isDouble, pointerOf } from './xmlrpc-types.ts'
import type { ScalarType } from './xmlrpc-types.ts'

/** Apache's extensions stand in a namespace of their own: `ex:nil`, `ex:i8`. */
const apache = 'http://ws.apache.org/xmlrpc/namespaces/extensions'

/**
 * Reads a `value` element. Integers to 32 bits and doubles that are exact become numbers, everything else that JSON has no
 * type for its text; `types` is told, by pointer below `path`, what its JSON alone would be written as another type. Throws
 * `DECODE_FAILED`.
 */
export function readValue(
  value: XmlElement,
  types: Map<string, ScalarType>,
  path: readonly string[] = [],
): Json {
  return new ValueReader(types).value(value, path)
}

class ValueReader {
  readonly #types: Map<string, ScalarType>

  constructor(types: Map<string, ScalarType>) {
    this.#types = types
  }

  value(holder: XmlElement, path: readonly string[]): Json {
    if (!isPlain(holder, 'value')) throw invalid(`${holder.local} stands where a value is expected`)
    const children = childElements(holder)
    const [typed] = children
    if (typed === undefined) return textOf(holder) // no type: a string
    if (children.length > 1 || !isBlank(textOf(holder))) throw invalid('a value holds more than one thing')
    if (typed.uri !== '' && typed.uri !== apache) throw invalid(`${typed.local} is of a foreign namespace`)
    if (typed.local === 'array')
      return valuesIn(typed).map((item, index) => this.value(item, [...path, String(index)]))
    if (typed.local === 'struct') return this.#struct(typed, path)
    if (childElements(typed).length > 0) throw invalid(`${typed.local} holds elements`)
    return this.#scalar(typed.local, textOf(typed), path)
  }

  #struct(struct: XmlElement, path: readonly string[]): Json {
    const members = [...membersIn(struct)].map(
      ([name, value]) => [name, this.value(value, [...path, name])] as const,
    )
    return Object.fromEntries(members) // defines its members: `__proto__` is one like any other
  }

  #scalar(type: string, text: string, path: readonly string[]): Json {
    const trimmed = text.trim()
    switch (type) {
      case 'string':
        return text
      case 'int':
      case 'i4':
      case 'i2':
      case 'i1':
        return this.#int(type, trimmed, path)
      case 'i8':
        return this.#note(checked(type, trimmed, isLexical('long', trimmed)), 'i8', path)
      case 'biginteger':
        return checked(type, trimmed, isLexical('integer', trimmed))
      case 'bigdecimal':
        return checked(type, trimmed, isLexical('decimal', trimmed))
      case 'boolean':
        return checked(type, trimmed, trimmed === '1' || trimmed === '0') === '1'
      case 'double':
      case 'float':
        return this.#double(checked(type, trimmed, isDouble(trimmed)), path)
      case 'dateTime.iso8601':
      case 'dateTime':
        return this.#note(checked(type, trimmed, isDateTime(trimmed)), 'dateTime.iso8601', path)
      case 'base64': {
        const packed = text.replaceAll(/[\t\n\r ]+/g, '')
        return this.#note(checked(type, packed, isLexical('base64Binary', packed)), 'base64', path)
      }
      case 'nil':
        return null
      default:
        throw invalid(`there is no type ${JSON.stringify(type.slice(0, 40))}`)
    }
  }

  /** Perl and others write integers of any size so. */
  #int(type: string, lexical: string, path: readonly string[]): Json {
    if (isLexical('int', lexical)) return Number(lexical)
    return this.#note(checked(type, lexical, isLexical('long', lexical)), 'i8', path)
  }

  #double(lexical: string, path: readonly string[]): Json {
    const number = exactNumber(lexical)
    if (number === undefined) return this.#note(lexical, 'double', path)
    return Number.isInteger(number) ? this.#note(number, 'double', path) : number
  }

  #note<T extends Json>(value: T, type: ScalarType, path: readonly string[]): T {
    this.#types.set(pointerOf(path), type)
    return value
  }
}

function checked(type: string, lexical: string, fits: boolean): string {
  if (fits) return lexical
  throw invalid(`${JSON.stringify(lexical.slice(0, 40))} is not of type ${type}`)
}

// XML and JSON, both ways, by the schema where there is one: the rules that hold everywhere in the gateway.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import type { ElementDecl } from './schema.ts'
import type { XmlElement, XmlName } from './tree.ts'

export interface BindOptions {
  /**
   * Elements and attributes (members, outwards) the schema does not know: `refuse`, `keep` untyped (inwards only: under
   * `{uri}local` where the local name is taken), or `drop`. Default: inwards `refuse`, outwards `drop`.
   */
  readonly unknown?: 'refuse' | 'keep' | 'drop'
  /** Required elements and attributes that are not there. Default: inwards `keep` (no member), outwards `refuse`. */
  readonly missing?: 'refuse' | 'keep'
  /** SOAP encoding: member names in any form, outwards xsi:type everywhere and the attributes of arrays. */
  readonly encoded?: '1.1' | '1.2'
  /** Without a schema: paths of elements that are lists however many came, `Order/item`. */
  readonly lists?: readonly string[]
  /** Without a schema: path → type of XSD, `{ 'Order/count': 'int', 'Order/@id': 'long' }`. */
  readonly types?: Readonly<Record<string, string>>
  /** Without a schema, outwards: the namespace of child elements. Default: that of their parent. */
  readonly childNamespace?: string
  /** Told the path of everything `drop` left out. */
  readonly dropped?: (path: string) => void
}

/**
 * An element as JSON. Without `decl` everything is a string but what `types` says. Illegal values, unknown types and
 * out-of-range numbers are `DECODE_FAILED` with the path (`CreateOrder/order/item[2]/qty`).
 */
export function toJson(
  _element: XmlElement,
  _decl: ElementDecl | undefined,
  _options: BindOptions = {},
): Json {
  throw new GatewayError('INTERNAL', 'not built')
}

/** The inverse: an element of that name. Values the schema does not allow are `ENCODE_FAILED` with the path. */
export function fromJson(
  _value: Json,
  _name: XmlName,
  _decl: ElementDecl | undefined,
  _options: BindOptions = {},
): XmlElement {
  throw new GatewayError('INTERNAL', 'not built')
}

export interface ReferenceOptions {
  /** A reference to an id that is not there: `refuse` (encoded, the default) or `keep` the element as it is (literal). */
  readonly missing?: 'refuse' | 'keep'
  /** Elements after expansion. Default 500,000. */
  readonly maxNodes?: number
  readonly maxDepth?: number
}

/**
 * Puts the targets of `href="#id"` (SOAP 1.1 §5.4.1) and `enc:ref` (SOAP 1.2 Part 2 §3.1.5) in place, wherever they stand
 * below `root` (an envelope or a body), and takes the independent elements (multiRef) that were targets out of the body.
 * Shared targets are shared, not copied. Throws `DECODE_FAILED`: a cycle, an unknown or doubled id, more than the limits.
 */
export function resolveReferences(_root: XmlElement, _options: ReferenceOptions = {}): XmlElement {
  throw new GatewayError('INTERNAL', 'not built')
}

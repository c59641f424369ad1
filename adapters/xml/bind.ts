// XML and JSON, both ways, by the schema where there is one: the rules that hold everywhere in the gateway.
import type { Json } from 'dragoman'
import { Binding } from './bind-context.ts'
import { typedIn } from './bind-in.ts'
import { typedOut } from './bind-out.ts'
import { untypedIn, untypedOut } from './bind-untyped.ts'
import type { ElementDecl } from './schema.ts'
import type { XmlElement, XmlName } from './tree.ts'

export { resolveReferences } from './references.ts'
export type { ReferenceOptions } from './references.ts'

export interface BindOptions {
  /**
   * Elements and attributes (members, outwards) the schema does not know: `refuse`, `keep` untyped (inwards only: under
   * `{uri}local` where the local name is taken), or `drop`. Default: inwards `refuse`, outwards `drop`. `keep` leaves a
   * declared simple value without attributes what it is, and takes an open value (xs:anyType) that is not of the type it
   * says as its text.
   */
  readonly unknown?: 'refuse' | 'keep' | 'drop'
  /** Required elements and attributes that are not there. Default: inwards and in SOAP encoding `keep`, outwards `refuse`. */
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
export function toJson(element: XmlElement, decl: ElementDecl | undefined, options: BindOptions = {}): Json {
  const binding = new Binding('DECODE_FAILED', options, decl?.schemas)
  return binding.inside(element.local, 0, () =>
    decl === undefined ? untypedIn(element, binding) : typedIn(element, decl, binding),
  )
}

/** The inverse: an element of that name. Values the schema does not allow are `ENCODE_FAILED` with the path. */
export function fromJson(
  value: Json,
  name: XmlName,
  decl: ElementDecl | undefined,
  options: BindOptions = {},
): XmlElement {
  const binding = new Binding('ENCODE_FAILED', options, decl?.schemas)
  return binding.inside(name.local, 0, () =>
    decl === undefined ? untypedOut(value, name, binding) : typedOut(value, name, { decl, binding }),
  )
}

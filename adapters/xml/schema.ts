// The model of an XML schema: declarations and types by expanded name, ready for binding.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import type { XmlElement, XmlName } from './tree.ts'

export interface XmlSchemas {
  /** A global element. */
  element(name: XmlName): ElementDecl | undefined
  /** A named type; the built-in ones of XSD and of SOAP encoding too. */
  type(name: XmlName): TypeDecl | undefined
  /** A global attribute. */
  attribute(name: XmlName): AttributeDecl | undefined
  readonly elements: readonly ElementDecl[]
  /** Named types of the documents, without the built-in ones. */
  readonly types: readonly TypeDecl[]
  /** An element that stands outside any schema but has a type: an rpc part (WSDL 1.1 §3.5). Throws `DECODE_FAILED` for an unknown type. */
  declare(name: XmlName, type: XmlName, options?: { readonly nillable?: boolean }): ElementDecl
}

export interface ElementDecl {
  readonly name: XmlName
  readonly type: TypeDecl
  readonly nillable: boolean
  readonly abstract: boolean
  readonly default?: string
  readonly fixed?: string
  /** Elements that may stand for this one (XSD 1 §3.3.2 substitutionGroup), transitively, without itself. */
  readonly substitutes: readonly ElementDecl[]
  readonly schemas: XmlSchemas
}

export interface AttributeDecl {
  readonly name: XmlName
  readonly type: SimpleType
  readonly required: boolean
  readonly default?: string
  readonly fixed?: string
}

export type TypeDecl = SimpleType | ComplexType

export interface SimpleType {
  readonly kind: 'simple'
  /** Absent: anonymous. */
  readonly name?: XmlName
  readonly base?: SimpleType
  readonly variety: 'atomic' | 'list' | 'union'
  /** The built-in type it comes from by restriction (`int`, `token`, `decimal`); for lists and unions `anySimpleType`. */
  readonly builtin: string
  readonly item?: SimpleType
  readonly members?: readonly SimpleType[]
  readonly whiteSpace: 'preserve' | 'replace' | 'collapse'
  readonly facets: Facets
}

/** What restrictions add up to (XSD 1.0 Part 2 §4.3). Bounds are lexical. */
export interface Facets {
  readonly enumeration?: readonly string[]
  /** All must match. */
  readonly patterns?: readonly ((value: string) => boolean)[]
  readonly length?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minInclusive?: string
  readonly maxInclusive?: string
  readonly minExclusive?: string
  readonly maxExclusive?: string
  readonly totalDigits?: number
  readonly fractionDigits?: number
}

export interface ComplexType {
  readonly kind: 'complex'
  readonly name?: XmlName
  readonly base?: TypeDecl
  readonly derivation?: 'extension' | 'restriction'
  readonly abstract: boolean
  readonly mixed: boolean
  /** Effective: inherited ones and those of groups included, prohibited ones left out. */
  readonly attributes: readonly AttributeDecl[]
  readonly anyAttribute: boolean
  /** Simple content: the type of the text. */
  readonly simple?: SimpleType
  /** Element content, effective (the base's first). Absent: empty or simple. */
  readonly particle?: Particle
  /** A SOAP-encoded array (SOAP 1.1 §5.4.2). */
  readonly array?: { readonly item: TypeDecl; readonly itemName: XmlName; readonly arrayType?: XmlName }
}

/** `max` may be `Infinity`. */
export type Particle =
  | { readonly kind: 'element'; readonly decl: ElementDecl; readonly min: number; readonly max: number }
  | {
      readonly kind: 'sequence' | 'choice' | 'all'
      readonly items: readonly Particle[]
      readonly min: number
      readonly max: number
    }
  | {
      readonly kind: 'any'
      readonly namespace: string
      readonly process: 'strict' | 'lax' | 'skip'
      readonly min: number
      readonly max: number
    }

export interface SchemaDocument {
  /** The `xs:schema` element. */
  readonly schema: XmlElement
  /** Where it came from; relative locations in it are resolved against this by the resolver. */
  readonly location?: string
}

/** Finds what an import or include names among what the caller has loaded. Undefined: not there. */
export type ResolveSchema = (reference: {
  readonly location: string
  readonly base?: string
  readonly namespace?: string
}) => SchemaDocument | undefined

/**
 * Compiles `xs:schema` elements (several namespaces, imports and includes, chameleon ones and cycles too). Imports whose
 * namespace another document has need no resolver; an include that is not resolved is an error. Throws `DECODE_FAILED`
 * naming the component that is wrong or missing.
 */
export function compileSchemas(
  _documents: readonly (XmlElement | SchemaDocument)[],
  _options: { readonly resolve?: ResolveSchema } = {},
): XmlSchemas {
  throw new GatewayError('INTERNAL', 'not built')
}

/** A sample of an element's JSON, valid by its schema: for help pages and commands to paste. */
export function sample(_decl: ElementDecl): Json {
  throw new GatewayError('INTERNAL', 'not built')
}

// The model of an XML schema: declarations and types by expanded name, ready for binding.
import { XSD_NS } from './names.ts'
import { compile } from './schema-compile.ts'
import type { XmlElement, XmlName } from './tree.ts'

export { sample } from './schema-sample.ts'

export interface XmlSchemas {
  /** A global element. */
  element(name: XmlName): ElementDecl | undefined
  /** A named type; the built-in ones of XSD and of SOAP encoding too. */
  type(name: XmlName): TypeDecl | undefined
  /** A global attribute. */
  attribute(name: XmlName): AttributeDecl | undefined
  /** Named types with this local name in any namespace, without the built-in ones: what `@type` can mean. */
  typesNamed(local: string): readonly TypeDecl[]
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
  /** Of a simple type: QNames in it, and in what is fixed, are `{uri}local`. */
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
  /** Its values are or may hold QNames. */
  readonly names?: true
  readonly whiteSpace: 'preserve' | 'replace' | 'collapse'
  readonly facets: Facets
}

/** What restrictions add up to (XSD 1.0 Part 2 §4.3). Bounds are lexical. */
export interface Facets {
  /** QNames in it are `{uri}local`. */
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
  /** A value that matches the pattern, of so many characters or more, for samples. */
  readonly example?: (atLeast?: number) => string | undefined
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
  readonly array?: ArrayType
}

export interface ArrayType {
  readonly item: TypeDecl
  /** What items are called when they are written; when they are read any name will do (SOAP 1.1 §5.4.2). */
  readonly itemName: XmlName
  /** The type before the last brackets of arrayType, `xsd:string` of `xsd:string[][]`; absent: anonymous. */
  readonly arrayType?: XmlName
  /** Brackets between that and the last ones: `[]` for an array of arrays. */
  readonly suffix: string
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
  documents: readonly (XmlElement | SchemaDocument)[],
  options: { readonly resolve?: ResolveSchema } = {},
): XmlSchemas {
  const named = documents.map((document) => ('schema' in document ? document : { schema: document }))
  return compile(named, options.resolve ?? (() => undefined))
}

/** Whether a type is another one or derived from it, by any number of steps (XSD 1 §3.4.6, §3.14.6). */
export function derivesFrom(type: TypeDecl, base: TypeDecl): boolean {
  if (base.kind === 'complex' && base.name?.uri === XSD_NS && base.name.local === 'anyType') return true
  if (
    base.kind === 'simple' &&
    base.variety === 'union' &&
    base.members?.some((member) => derivesFrom(type, member))
  )
    return true
  for (let at: TypeDecl | undefined = type; at !== undefined; at = at.base) if (at === base) return true
  return false
}

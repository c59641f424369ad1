// Elements that stand for themselves, header blocks and entries of a fault's detail, as JSON, both ways.
import type { Json } from 'dragoman'
import { fromJson, toJson, type BindOptions } from '../xml/bind.ts'
import type { ElementDecl, XmlSchemas } from '../xml/schema.ts'
import { withParts, type XmlElement } from '../xml/tree.ts'
import { forgiving } from './encoded.ts'
import { versions, type QName, type Version } from './names.ts'
import type { BlockPart } from './wsdl-messages.ts'

export interface BlockCodec {
  readonly name: QName
  readonly encoded: boolean
  /** What the schema does not have is kept. Throws `DECODE_FAILED` with the path. */
  decode(block: XmlElement): Json
  /** The inverse. Throws `ENCODE_FAILED` with the path. */
  encode(value: Json, options?: Pick<BindOptions, 'missing'>): XmlElement
}

/** Makes the codec of one part in one version. What the schema does not have after all is bound without it. */
export function blockCodec(schemas: XmlSchemas, part: BlockPart, version: Version): BlockCodec {
  const { name } = part
  const decl = declarationOf(schemas, part)
  if (part.use === 'literal')
    return {
      name,
      encoded: false,
      decode: (block) => toJson(block, decl, { unknown: 'keep' }),
      encode: (value, options) => fromJson(value, name, decl, options),
    }
  const { envelope: uri, encoding: style } = versions[version]
  return {
    name,
    encoded: true,
    decode: (block) =>
      toJson(decl === undefined ? block : forgiving(block, decl), decl, {
        unknown: 'keep',
        encoded: version,
      }),
    encode: (value, options) => {
      const block = fromJson(value, name, decl, { ...options, encoded: version })
      // SOAP 1.1 §4.1.1; SOAP 1.2 Part 1 §5.1.1 allows it on just these, and on the Body's child
      const attributes = [...block.attributes, { uri, local: 'encodingStyle', value: style }]
      return withParts(block, { attributes })
    },
  }
}

function declarationOf(schemas: XmlSchemas, { name, type }: BlockPart): ElementDecl | undefined {
  if (type === undefined) return schemas.element(name)
  return schemas.type(type) === undefined ? undefined : schemas.declare(name, type, { nillable: true })
}

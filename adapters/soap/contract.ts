// What a channel serves: which operation a body means and how its messages are read and written, with a WSDL or without.
import { GatewayError, type Accepted, type Json } from 'dragoman'
import { fromJson, toJson, type BindOptions } from '../xml/bind.ts'
import { sample, type ElementDecl, type XmlSchemas } from '../xml/schema.ts'
import { childElements, type XmlElement } from '../xml/tree.ts'
import { acknowledgement, plainAcknowledgement } from './acknowledge.ts'
import { blockCodec, type BlockCodec } from './blocks.ts'
import { faultContext, type FaultContext } from './details.ts'
import { messageCodec } from './messages.ts'
import { clark, type Version } from './names.ts'
import type { Wsdl, WsdlOperation } from './wsdl.ts'

/** One operation as this request means it. */
export interface ServedOperation {
  readonly name: string
  readonly oneWay: boolean
  /** SOAP encoding inwards: references are resolved strictly. */
  readonly encoded: boolean
  /** rpc: what is declared in the Body's child. */
  readonly parts?: readonly ElementDecl[] | undefined
  decode(entry: XmlElement | undefined): Json
  /** `dropped` is told what the schema has no place for; an acknowledgement may lack what is `missing`. */
  encode(
    value: Json,
    options: Pick<BindOptions, 'missing' | 'dropped'>,
  ): { readonly body: XmlElement | undefined; readonly encoded: boolean }
  /** What of an answer's body may travel as attachments. */
  attachable(body: XmlElement): ReadonlySet<XmlElement>
  /** The answer's value for a message or event that was only stored. */
  acknowledge(accepted: Accepted): Json
  /** Blocks the binding declares, inwards and outwards. */
  readonly headersIn: readonly BlockCodec[]
  readonly headersOut: readonly BlockCodec[]
  readonly faults: FaultContext
  /** wsa:Action of the answer. */
  readonly answerAction: string
}

export interface Asked {
  readonly entry: XmlElement | undefined
  readonly version: Version
  /** The envelope says that it is in SOAP encoding. */
  readonly encoded: boolean
  /** SOAPAction, `action` and wsa:Action, as far as there are any. */
  readonly actions: readonly string[]
}

export interface Example {
  readonly name: string
  readonly soapAction: string
  readonly body: XmlElement | undefined
  readonly encoded: boolean
}

export interface Contract {
  readonly schemas?: XmlSchemas
  /**
   * Dispatches by the Body's child alone (WS-I BP 1.1 R2710); an action is a hint that may only choose between operations
   * of the same body. Throws `DECODE_FAILED`: no such operation, the action names another one (R1127), or its name is not
   * its own.
   */
  find(asked: Asked): ServedOperation
  /**
   * A request of this operation to paste; undefined if it has none. Without a `value` one by the schema, as far as one can
   * be made. Throws `ENCODE_FAILED` for a `value` that does not fit, or where the schema wants what cannot be made up.
   */
  example(operation: string | undefined, value: Json | undefined): Example | undefined
}

/** The contract of a WSDL. Throws `DECODE_FAILED` where binding and schema do not fit. */
export function wsdlContract(wsdl: Wsdl): Contract {
  const { schemas } = wsdl
  const byBody = new Map<string, BoundOperation[]>()
  for (const operation of wsdl.operations) {
    const key = operation.input.body === undefined ? '' : clark(operation.input.body)
    byBody.set(key, [...(byBody.get(key) ?? []), bind(schemas, operation)])
  }
  const serve = (found: BoundOperation, version: Version): ServedOperation => {
    const { name } = found.operation
    if (!wsdl.ambiguous.has(name)) return found.serve(version)
    throw new GatewayError(
      'DECODE_FAILED',
      `operation "${name}" is not offered here: several operations have this name`,
    )
  }
  const named = ({ operation }: BoundOperation, action: string): boolean =>
    operation.soapAction === action || operation.input.action === action
  return {
    schemas,
    find({ entry, version, actions }) {
      const candidates = byBody.get(entry === undefined ? '' : clark(entry)) ?? []
      const first = candidates[0]
      if (first === undefined)
        throw new GatewayError(
          'DECODE_FAILED',
          entry === undefined ? 'the Body is empty' : `no operation has the body element ${clark(entry)}`,
        )
      const ofVersion = candidates.find(({ operation }) => operation.port.version === version) ?? first
      // As nearly always: the body says it, and nothing contradicts.
      const isSure = actions.every((action) => named(ofVersion, action))
      if (isSure && candidates.every(({ operation }) => operation.name === ofVersion.operation.name))
        return serve(ofVersion, version)
      const meant = candidates.filter((one) => actions.some((action) => named(one, action)))
      if (meant.length === 0)
        for (const action of actions)
          if (
            wsdl.operations.some(
              ({ soapAction, input }) => action !== '' && (soapAction === action || input.action === action),
            )
          )
            throw new GatewayError(
              'DECODE_FAILED',
              `action "${action}" names another operation than the body ${entry === undefined ? '(empty)' : clark(entry)}`,
            )
      const left = meant.length === 0 ? candidates : meant
      if (new Set(left.map(({ operation }) => operation.name)).size > 1)
        throw new GatewayError(
          'DECODE_FAILED',
          `several operations have this body (${left.map(({ operation }) => operation.name).join(', ')}): an action must tell which`,
        )
      const found = left.find(({ operation }) => operation.port.version === version) ?? left[0] ?? first
      return serve(found, version)
    },
    example(name, value) {
      const operation = wsdl.operations.find((one) =>
        name === undefined ? one.output !== undefined && !wsdl.ambiguous.has(one.name) : one.name === name,
      )
      if (operation === undefined) return undefined
      const codec = messageCodec(schemas, operation, operation.input)
      const body =
        value === undefined
          ? codec.encode(codec.sample(), '1.1', { missing: 'keep' })
          : ofOperator(operation.name, () => codec.encode(value, '1.1'))
      return { name: operation.name, soapAction: operation.soapAction, body, encoded: codec.encoded }
    },
  }
}

/** The example is the operator's: where it stands goes before what is wrong with it. */
function ofOperator<T>(operation: string, encode: () => T): T {
  try {
    return encode()
  } catch (error) {
    const { code, message } = GatewayError.from(error)
    throw new GatewayError(code, `operations.${operation}.example: ${message}`, { cause: error })
  }
}

interface BoundOperation {
  readonly operation: WsdlOperation
  serve(version: Version): ServedOperation
}

function bind(schemas: XmlSchemas, operation: WsdlOperation): BoundOperation {
  const input = messageCodec(schemas, operation, operation.input)
  const output =
    operation.output === undefined ? undefined : messageCodec(schemas, operation, operation.output)
  const make = (version: Version): ServedOperation => ({
    name: operation.name,
    oneWay: output === undefined,
    encoded: input.encoded,
    parts: input.style === 'rpc' ? input.declarations : undefined,
    decode: (entry) => input.decode(entry, version),
    encode: (value, options) => ({
      body: output?.encode(value, version, options),
      encoded: output?.encoded ?? false,
    }),
    attachable: (body) => output?.attachable(body) ?? new Set(),
    acknowledge: (accepted) => acknowledgement(accepted, output),
    headersIn: operation.input.headers.map((part) => blockCodec(schemas, part, version)),
    headersOut: operation.output?.headers.map((part) => blockCodec(schemas, part, version)) ?? [],
    faults: faultContext(schemas, operation, version),
    answerAction: operation.output?.action ?? '',
  })
  const served = { '1.1': make('1.1'), '1.2': make('1.2') }
  return { operation, serve: (version) => served[version] }
}

export interface OpenOptions {
  readonly schemas?: XmlSchemas
  readonly lists: readonly string[]
  readonly types: Readonly<Record<string, string>>
}

/** Without a WSDL: any body element is an operation of its local name; its answer is `NAMEResponse` beside it. */
export function openContract({ schemas, lists, types }: OpenOptions): Contract {
  return {
    ...(schemas === undefined ? {} : { schemas }),
    find({ entry, version, encoded }) {
      if (entry === undefined) throw new GatewayError('DECODE_FAILED', 'the Body is empty')
      const options: BindOptions = { lists, types, ...(encoded ? { encoded: version } : {}) }
      const answer = { uri: entry.uri, local: `${entry.local}Response` }
      return {
        name: entry.local,
        oneWay: false,
        encoded,
        decode: (body) => (body === undefined ? {} : toJson(body, schemas?.element(body), options)),
        encode: (value, more) => ({
          // the caller's own habit tells whether members are qualified
          body: fromJson(value, answer, schemas?.element(answer), {
            childNamespace: childElements(entry)[0]?.uri ?? (encoded ? '' : entry.uri),
            ...more,
          }),
          encoded: false,
        }),
        attachable: () => new Set(),
        acknowledge: plainAcknowledgement,
        headersIn: [],
        headersOut: [],
        faults: schemas === undefined ? {} : { schemas },
        answerAction: `${entry.uri}${entry.uri.startsWith('urn:') ? ':' : '/'}${answer.local}`,
      }
    },
    example(name, value) {
      const decl = schemas?.elements.find((one) => name === undefined || one.name.local === name)
      if (decl === undefined) return undefined
      return {
        name: decl.name.local,
        soapAction: '',
        body:
          value === undefined
            ? fromJson(sample(decl), decl.name, decl, { missing: 'keep' })
            : ofOperator(decl.name.local, () => fromJson(value, decl.name, decl)),
        encoded: false,
      }
    },
  }
}

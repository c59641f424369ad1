// Introspection: which methods there are, what they take and what they do (system.listMethods and its kin, 2001).
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import type { ElementDecl } from '../xml/schema.ts'
import type { XmlElement } from '../xml/tree.ts'
import { isOffered, offered } from './perform.ts'
import type { Service } from './perform.ts'
import { typeOfXsd } from './xmlrpc-types.ts'
import { readValue } from './xmlrpc-read.ts'

const own: Readonly<Record<string, { readonly signature: readonly string[]; readonly help: string }>> = {
  'system.listMethods': { signature: ['array'], help: 'The names of all methods.' },
  'system.methodHelp': { signature: ['string', 'string'], help: 'What a method does.' },
  'system.methodSignature': {
    signature: ['array', 'string'],
    help: 'The types of the result and of the parameters of a method, or "undef" where they are not known.',
  },
  'system.multicall': {
    signature: ['array', 'array'],
    help: 'Several calls in one: structs of methodName and params; each result is an array of one value, or a fault.',
  },
}

/** Answers a method of the system's own; undefined for any other. Throws `DECODE_FAILED`, `NO_ROUTE` for an unknown name. */
export function introspect(
  service: Service,
  method: string,
  values: readonly XmlElement[],
): Json | undefined {
  switch (method) {
    case 'system.listMethods':
      if (values.length > 0) throw new GatewayError('DECODE_FAILED', 'system.listMethods takes no parameters')
      return [...new Set([...(offered(service) ?? []), ...Object.keys(own)])].toSorted()
    case 'system.methodHelp': {
      const name = nameIn(service, method, values)
      return Object.hasOwn(own, name) ? (own[name]?.help ?? '') : helpOf(service, name)
    }
    case 'system.methodSignature': {
      const name = nameIn(service, method, values)
      return Object.hasOwn(own, name) ? [own[name]?.signature ?? []] : signatureOf(service, name)
    }
    default:
      return undefined
  }
}

function nameIn(service: Service, method: string, values: readonly XmlElement[]): string {
  const [value, ...more] = values
  const name = value === undefined || more.length > 0 ? undefined : readValue(value, new Map())
  if (typeof name !== 'string')
    throw new GatewayError('DECODE_FAILED', `${method} takes the name of a method`)
  if (!Object.hasOwn(own, name) && !isOffered(service, name))
    throw new GatewayError('NO_ROUTE', `operation "${name}" is not offered here`)
  return name
}

function helpOf({ config }: Service, name: string): string {
  return Object.hasOwn(config.help, name) ? (config.help[name] ?? '') : ''
}

/** Known where the config names the parameters and the schema their types. */
function signatureOf({ config, contract }: Service, name: string): Json {
  const names = Object.hasOwn(config.parameters, name) ? config.parameters[name] : undefined
  const described = contract.describe(name)
  if (names === undefined || described?.parameters === undefined) return 'undef'
  const { parameters } = described
  const types = names.map((one) => parameters.find((parameter) => parameter.name === one))
  if (!types.every((type) => type !== undefined)) return 'undef'
  const result = described.result === undefined ? 'string' : kindOf(described.result)
  return [[result, ...types.map(({ decl, items }) => (items === undefined ? kindOf(decl) : 'array'))]]
}

function kindOf({ type }: ElementDecl): string {
  if (type.kind === 'complex') return 'struct'
  const known = typeOfXsd(type.builtin)
  return known === 'dateTime' ? 'dateTime.iso8601' : known
}

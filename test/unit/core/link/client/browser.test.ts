// What a browser is given of `dragoman/client`: files of that folder alone, and MQTT.js only when it is asked for.
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { expect, test, vi } from 'vitest'
import * as forBrowsers from '../../../../../core/link/client/browser.ts'
import * as forNode from '../../../../../core/link/client.ts'
import { readImports } from '../../../../support/imports.ts'

const folder = new URL('../../../../../core/link/client/', import.meta.url)

/** Every module that is loaded with this one, and what is imported from elsewhere. */
function reach(entry: string): { readonly files: ReadonlySet<string>; readonly others: readonly string[] } {
  const files = new Set<string>()
  const others: string[] = []
  const walk = (name: string): void => {
    if (files.has(name)) return
    files.add(name)
    const script = stripTypeScriptTypes(readFileSync(new URL(name, folder), 'utf8'))
    for (const { specifier = '?' } of readImports(script))
      if (specifier.startsWith('./')) walk(specifier.slice(2))
      else others.push(`${name}: ${specifier}`)
  }
  walk(entry)
  return { files, others }
}

test('the browser’s half of the client imports nothing but itself, and MQTT.js on demand', () => {
  vi.spyOn(process, 'emitWarning').mockReturnValue()
  const { files, others } = reach('browser.ts')
  vi.restoreAllMocks()
  expect(files.size).toBeGreaterThan(10)
  expect(files).not.toContain('box-file.ts')
  expect(others).toEqual(['browser.ts: mqtt'])
  expect(readFileSync(new URL('browser.ts', folder), 'utf8')).toContain("await import('mqtt')")
})

test('both entries export the same names, as the compiler knows only one of them; the box of the other says so', () => {
  expect(Object.keys(forBrowsers).toSorted()).toEqual(Object.keys(forNode).toSorted())
  expect(() => forNode.indexedDbBox('x')).toThrow('indexedDbBox is for browsers')
  expect(() => forBrowsers.fileBox('x')).toThrow('fileBox is for Node')
})

test('a Web Worker and React Native have no document, or no events either: what there is is listened to, and ended', async () => {
  const hears = () => ({
    addEventListener: vi.fn<(name: string, listener: () => void) => void>(),
    removeEventListener: vi.fn<(name: string, listener: () => void) => void>(),
  })
  const options = { url: 'http://127.0.0.1:1', token: 'ann', links: [] }
  const worker = hears()
  const page = hears()
  const open = async (): Promise<void> => {
    await using client = forBrowsers.connect({ ...options, box: forBrowsers.memoryBox() })
    await client.send('x')
  }
  try {
    await open()
    vi.stubGlobal('addEventListener', worker.addEventListener)
    vi.stubGlobal('removeEventListener', worker.removeEventListener)
    await open()
    expect(worker.addEventListener.mock.calls).toEqual([['online', expect.any(Function)]])
    expect(worker.removeEventListener.mock.calls).toEqual(worker.addEventListener.mock.calls)
    vi.stubGlobal('document', { ...page, visibilityState: 'visible' })
    await open()
    expect(page.addEventListener.mock.calls).toEqual([['visibilitychange', expect.any(Function)]])
    expect(page.removeEventListener.mock.calls).toEqual(page.addEventListener.mock.calls)
  } finally {
    vi.unstubAllGlobals()
  }
})

import { expect, test } from 'vitest'
import { linesOf } from '../../../../../core/link/demo/lines.ts'
import { msg } from '../client/fake-links.ts'

const shown = (more: Parameters<typeof msg>[2]): unknown => {
  const { message } = msg(1, '', { parts: [], ...more })
  return linesOf({ text: '', message })
}

test('each part is a line, and its address another that can be followed', () => {
  const url = 'https://shop.example/a?b=1&c=<i>'
  const parts = [
    { kind: 'text', text: 'Here it is:\nlook' },
    { kind: 'link', text: 'Our shop', media: { url } },
  ] as const
  expect(shown({ parts })).toEqual([
    { text: 'Here it is:\nlook' },
    { text: 'Our shop' },
    { text: 'https://shop.example/a?b=1&c=%3Ci%3E', href: 'https://shop.example/a?b=1&c=%3Ci%3E' },
  ])
})

test('a link whose text is its address is one line', () => {
  const url = 'http://shop.example/'
  expect(shown({ parts: [{ kind: 'link', text: url, media: { url } }] })).toEqual([{ text: url, href: url }])
})

test.each([
  'javascript:alert(1)',
  ' JavaScript:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  'blob:http://127.0.0.1/x',
  '//shop.example/',
  'no address',
])('%j is shown and cannot be followed', (url) => {
  expect(shown({ parts: [{ kind: 'link', text: 'Click', media: { url } }] })).toEqual([
    { text: 'Click' },
    { text: url },
  ])
})

test('a part without text is shown by the name of its file, or by its data', () => {
  expect(shown({ parts: [{ kind: 'file', text: '', media: { id: 'm1', name: 'bill.pdf' } }] })).toEqual([
    { text: 'bill.pdf' },
  ])
  expect(shown({ parts: [{ kind: 'location', text: ' ', data: { lat: 1, lon: 2 } }] })).toEqual([
    { text: '{"lat":1,"lon":2}' },
  ])
})

test('an answer without parts is shown by its data', () => {
  expect(shown({ data: { order: 'A1' } })).toEqual([{ text: '{\n  "order": "A1"\n}' }])
  expect(shown({ data: 'shipped' })).toEqual([{ text: 'shipped' }])
})

test('where there is nothing to show there is no line; data beside text is for programs', () => {
  expect(shown({})).toEqual([])
  expect(shown({ data: '' })).toEqual([])
  expect(shown({ parts: [{ kind: 'text', text: '' }] })).toEqual([])
  expect(shown({ parts: [{ kind: 'image', text: '', media: { id: 'm1' } }], data: 7 })).toEqual([
    { text: '7' },
  ])
  expect(shown({ parts: [{ kind: 'text', text: 'hi' }], data: 7 })).toEqual([{ text: 'hi' }])
})

test('what was sent from here is shown as it was written', () => {
  const message = { text: ' hi\nthere ' }
  expect(linesOf({ text: message.text, message })).toEqual([{ text: ' hi\nthere ' }])
})

import { expect, test } from 'vitest'

import { isUtf8, mediaType } from '../../../../adapters/data/media-type.ts'

test('a media type is read with its charset, in any case (RFC 9110 §8.3.1)', () => {
  expect(mediaType('Application/JSON; Charset="UTF-8"')).toStrictEqual({
    essence: 'application/json',
    charset: 'utf-8',
  })
  expect(mediaType('text/xml')).toStrictEqual({ essence: 'text/xml' })
  expect(mediaType('json')).toBeUndefined()
  expect(mediaType(null)).toBeUndefined()
  expect(isUtf8({ essence: 'application/json', charset: 'gbk' })).toBe(false)
})

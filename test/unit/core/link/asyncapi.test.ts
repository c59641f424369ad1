// What /asyncapi.json says of the envelopes of HTTP.
import { expect, test } from 'vitest'
import { asyncApi } from '../../../../core/link/asyncapi.ts'

test('at most 256 frames come in one request; an answer has as many as there are', () => {
  const document = asyncApi({ places: [], largestBytes: 1 }, 'http://127.0.0.1:8080')
  const { messages } = document['components'] as { readonly messages: object } // its own document
  expect(messages).toMatchObject({
    requestBody: { payload: { properties: { frames: { type: 'array', maxItems: 256 } } } },
    responseBody: { payload: { properties: { frames: { type: 'array' } } } },
  })
  expect(messages).not.toHaveProperty('responseBody.payload.properties.frames.maxItems')
})

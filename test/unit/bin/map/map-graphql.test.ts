// What `dragoman map` lets a GraphQL server answer: what the document that is sent selects.
import { expect, test } from 'vitest'
import { graphqlSample } from '../../../../bin/map/map-graphql.ts'
import type { Json } from '../../../../core/api.ts'

function sampled(query: string, like?: Json): unknown {
  return graphqlSample(new TextEncoder().encode(JSON.stringify({ query })), like)
}

test('each field that the document selects is there under its alias; fragments and fields that stand twice are merged (GraphQL §5.3.2)', () => {
  const document = `
    query ($no: ID!) { order(no: $no) { ...Head ... on Order { total } customer { name } nobody: __typename } }
    fragment Head on Order { no: orderNo customer { city } }`
  expect(sampled(document)).toEqual({
    data: {
      order: { no: 'text', customer: { city: 'text', name: 'text' }, total: 'text', nobody: 'text' },
    },
  })
})

test('a mutation is as good as a query, and a value stands as in what the caller wants where it has the field', () => {
  const document = 'mutation { orderNo total open lines { sku } customer { name } }'
  const like = { total: '1.00', open: true, lines: [{ sku: 'S1', quantity: 1 }], customer: 'text', more: 1 }
  expect(sampled(document, like)).toEqual({
    data: { orderNo: 'text', total: '1.00', open: true, lines: [{ sku: 'S1' }], customer: { name: 'text' } },
  })
})

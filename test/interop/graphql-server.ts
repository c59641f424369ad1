// A business system that speaks GraphQL, in its own process: graphql-yoga as anybody would set it up. It knows nothing of the gateway.
import { createServer } from 'node:http'

import { GraphQLError } from 'graphql'
import { createSchema, createYoga } from 'graphql-yoga'

// It writes bare numbers that no double holds, as servers in other languages do; TypeScript does not know rawJSON yet.
const raw = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)

const lines = [
  { sku: '0012', quantity: 1 },
  { sku: '1e5', quantity: 10 },
]
const orders = new Map([
  ['000777', { orderNo: '000777', id: '9007199254740993', total: '1.10', customer: '王小明 <&>', lines }],
])
let created = 0

const yoga = createYoga({
  logging: false,
  schema: createSchema({
    typeDefs: /* GraphQL */ `
      scalar Long
      scalar Decimal
      input LineInput {
        sku: ID!
        quantity: Int!
        price: Float
      }
      type Line {
        sku: ID!
        quantity: Int!
      }
      type Order {
        orderNo: ID!
        id: Long!
        total: Decimal!
        customer: String!
        lines: [Line!]!
        points: Int
      }
      type Query {
        order(no: ID!): Order
        slow: String
      }
      type Mutation {
        create(customer: String!, lines: [LineInput!]!): Order
      }
    `,
    resolvers: {
      Long: { serialize: (value: unknown) => raw(String(value)) },
      Decimal: { serialize: (value: unknown) => raw(String(value)) },
      Order: {
        points: () => {
          throw new GraphQLError('the points system is away', { extensions: { code: 'POINTS_AWAY' } })
        },
      },
      Query: {
        order: (_: unknown, { no }: { readonly no: string }) => {
          const found = orders.get(no)
          if (found !== undefined) return found
          throw new GraphQLError(`there is no order ${no}`, { extensions: { code: 'NO_SUCH_ORDER', no } })
        },
        slow: () => new Promise<string>(() => {}),
      },
      Mutation: {
        create: (_: unknown, given: { readonly customer: string; readonly lines: typeof lines }) => {
          created += 1
          return { orderNo: `00${created}`, id: String(2n ** 63n), total: '0.10', ...given }
        },
      },
    },
  }),
})

const server = createServer((request, response) => void yoga(request, response))
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
})
process.on('SIGTERM', () => {
  server.closeAllConnections()
  server.close()
})

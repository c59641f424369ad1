import { parse } from 'graphql'
import { expect, test } from 'vitest'

import { checkRootConditions } from '../../../../adapters/graphql/root-condition.ts'
import { JSON_TYPE, trial } from './trial.ts'

test.each([
  'subscription { messages(conversation: "x") @skip(if: true) { text } }',
  'subscription { messages(conversation: "x") @include(if: false) { text } }',
  'subscription($live: Boolean!) { messages(conversation: "x") @include(if: $live) { text } }',
  'subscription { ... @skip(if: true) { messages(conversation: "x") { text } } }',
  'subscription { ...A } fragment A on Subscription { ...B @include(if: true) } fragment B on Subscription { messages(conversation: "x") { text } }',
  'subscription S { ...A ...A } fragment A on Subscription { messages(conversation: "x") @skip(if: false) { text } }',
])(
  'what is subscribed to takes no condition (GraphQL September 2025, Single Root Field): %s',
  async (conditional) => {
    await using channel = await trial()
    const variables = { live: true }
    const { status, text, errors } = await channel.ask(conditional, variables, {
      headers: { ...JSON_TYPE, accept: 'application/graphql-response+json, text/event-stream' },
    })
    expect([status, text]).toEqual([400, expect.not.stringContaining('"data"')])
    expect(errors).toContainEqual(
      expect.objectContaining({
        message: "a subscription's field takes no @skip or @include: leave the subscription out",
        extensions: { code: 'DECODE_FAILED', retryable: false },
      }),
    )
    expect(channel.errors).toEqual([])
  },
)

test.each([
  'subscription { messages(conversation: "x") { sequence @include(if: true) ...A @skip(if: true) } } fragment A on Said { text }',
  'query Q { __typename @skip(if: true) } subscription S { messages(conversation: "x") { text } }',
  'subscription { ...A ...None } fragment A on Subscription { ...A }',
])('a condition below it, or in a query beside it, is none on it: %s', (text) => {
  expect(() => checkRootConditions(parse(text))).not.toThrow()
})

// Who may read which conversation, and what he learns of one that he may not read (SEMANTICS 9).
import { expect, test } from 'vitest'

import type { GatewayError, Identity } from '../../../../core/api.ts'
import { createLogReader } from '../../../../core/components/conversation-log.ts'
import type { Store } from '../../../../core/store/store.ts'

const homes: Readonly<Record<string, string>> = { 'link:ann': 'link/ann', 'case-7': 'link/ann' }
const empty = { status: 'rows', rows: [], next: 0, oldest: 1, top: 0, truncated: false }
const store = {
  async find({ conversation }: { readonly conversation: string }) {
    const home = homes[conversation]
    return home === undefined ? [] : [{ row: 'conversation', conversation, home, channel: 'web' }]
  },
  read: async () => empty,
} as unknown as Store // what a reader asks of it

const log = createLogReader({ store, channel: 'web', open: false, stopping: new AbortController().signal })

/** What is refused, with its words. */
async function answer(conversation: string, identity: Identity): Promise<readonly string[]> {
  try {
    await log(conversation, 0, { identity })
    return ['read']
  } catch (error) {
    const { code, message } = error as GatewayError // the reader throws nothing else
    return [code, message.replace(conversation, 'X')]
  }
}

test('of a conversation that is not his a customer does not learn whether there is one (SEMANTICS 9)', async () => {
  const bob: Identity = { role: 'customer', id: 'bob' }
  const refused = ['FORBIDDEN', 'the conversation "X" is not yours to read']
  for (const name of ['link:ann', 'link:nobody', 'web:nobody', '~agent:max', 'case-7', 'case-8'])
    expect(await answer(name, bob)).toEqual(refused)
  // Of his own he may know that he has not said a word in it.
  expect(await answer('link:bob', bob)).toEqual(['NOT_FOUND', 'there is no conversation "X"'])
})

test.each<Identity>([
  { role: 'customer', id: 'ann' },
  { role: 'agent', id: 'max' },
  { role: 'program', id: 'erp' },
])('who may read a conversation does: $role', async (identity) => {
  expect(await answer('case-7', identity)).toEqual(['read'])
})

test('programs and people at the desk are told that there is no such conversation', async () => {
  for (const role of ['program', 'agent'] as const)
    expect(await answer('link:nobody', { role, id: 'x' })).toEqual([
      'NOT_FOUND',
      'there is no conversation "X"',
    ])
})

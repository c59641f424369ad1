import { describe, expect, test } from 'vitest'
import { captures, difference } from './corpus.ts'
import { serve, wsdl } from './service.ts'

const clients = {
  orders: [
    'zeep-11',
    'zeep-12',
    'php-11',
    'php-12',
    'soaplite-11',
    'soaplite-12',
    'jaxws-11',
    'jaxws-12',
    'extras-wcf-basic',
    'extras-wsse-wsa-11',
    'extras-mtom-jaxws-11',
  ],
  'legacy-rpclit': ['zeep-lit', 'php-lit', 'soaplite-lit', 'jaxws-lit'],
  'legacy-rpcenc': ['zeep-enc', 'php-enc', 'soaplite-enc'],
}

/** What differs, and why. */
const known: Readonly<Record<string, readonly string[]>> = {
  // a nil its schema does not allow: the reference makes an empty person of it, we null, which is then left out
  'soaplite-lit': ['09-echoTicket: /echoTicketResponse/ticket: 6 children, want 7'],
}

describe.each(Object.entries(clients))('requests captured from real clients of %s', (name, folders) => {
  test.each(folders)('of %s get the answers of the reference server', async (client) => {
    await using running = await serve({ config: { wsdl: wsdl(name) } })
    const found: string[] = []
    for (const capture of captures(client)) {
      const got = await running.handle({ ...capture.request, path: '/orders' })
      const why = difference(capture, got)
      if (why !== undefined) found.push(`${capture.name}: ${why}`)
    }
    expect(found).toEqual(known[client] ?? [])
  })
})

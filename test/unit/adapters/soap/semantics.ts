// What the service behind the captured traffic does, on JSON: the business system of the tests.
import type { Answer, Json } from 'dragoman'

type Members = Readonly<Record<string, Json>>

function members(value: Json | undefined): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {}
}

function list(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? (value as readonly Json[]) : [value]
}

function text(value: Json | undefined): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** 10.50 → 10.5: the values are compared, not their spelling. */
function plain(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/0+$/u, '').replace(/\.$/u, '') : decimal
}

/** Exact to six places. */
function micro(decimal: string): bigint {
  const [whole = '0', fraction = ''] = decimal.split('.')
  return BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6))
}

function seen(order: Members): string {
  const shipTo = members(order['shipTo'])
  const rows = list(order['item']).map((one) => {
    const item = members(one)
    const price = members(item['price'])
    return [
      text(item['@lineNo']),
      item['@gift'] === undefined ? '-' : text(item['@gift']),
      text(item['sku']),
      plain(text(item['qty'])),
      plain(text(price['#text'])),
      text(price['@currency']),
      list(item['tag']).map(text).join('+'),
    ].join(',')
  })
  const note = order['note']
  return [
    `channel=${text(order['@channel'])}`,
    `priority=${text(order['@priority'] ?? 5)}`,
    `customerRef=${text(order['customerRef'])}`,
    `externalId=${text(order['externalId'])}`,
    `date=${new Date(text(order['orderDate'])).toISOString()}`,
    `ship=${text(shipTo['@country'])}:${list(shipTo['line']).map(text).join('/')}:${text(shipTo['postcode'])}`,
    `items=${rows.join(';')}`,
    `note=${kindOf(note)}`,
    `status=${text(order['status'])}`,
  ].join('|')
}

function kindOf(value: Json | undefined): string {
  if (value === undefined) return 'absent'
  if (value === null) return 'nil'
  return value === '' ? 'empty' : `value:${text(value)}`
}

function ticket(index: number): Json {
  return {
    '@ticketId': String(9007199254740990n + BigInt(index)),
    '@status': 'NEW',
    subject: `T${index}`,
    opened: '2024-01-01T00:00:00Z',
    comment: Array.from({ length: index - 1 }, (_, at) => `c${at + 1}`),
  }
}

function legacyTicket(id: string): Json {
  return {
    id,
    title: `Legacy ${id}`,
    owner: { login: 'ann', phone: '0044 20' },
    watcher: { login: 'ann', phone: '0044 20' },
    due: '2024-02-29T10:15:30Z',
    tags: { item: ['x', 'y'] },
    open: true,
  }
}

/** Encoded arrays are lists, literal ones objects with a list. */
function items(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : list(members(value)['item'])
}

/** Answers one operation as the reference service does. */
export function answer(
  operation: string,
  params: Json | undefined,
  metadata: Readonly<Record<string, string>> = {},
): Answer {
  const given = members(params)
  switch (operation) {
    case 'CreateOrder': {
      const order = members(given['order'])
      const total = list(order['item']).reduce<bigint>((sum, one) => {
        const item = members(one)
        return sum + micro(text(item['qty'])) * micro(text(members(item['price'])['#text']))
      }, 0n)
      const digits = String(total).padStart(13, '0')
      return {
        data: {
          orderId: '9007199254740995',
          total: plain(`${digits.slice(0, -12)}.${digits.slice(-12)}`),
          itemCount: list(order['item']).length,
          status: order['status'] ?? '',
          seen: seen(order),
        },
      }
    }
    case 'EchoScalars':
      return { data: { out: given['in'] ?? {} } }
    case 'GetTicket': {
      if (BigInt(text(given['ticketId']).trim().replace('+', '')) === 1n)
        return { data: { ticket: ticket(1) } }
      const detail = { code: 404, ticketId: text(given['ticketId']), hint: 'no such ticket' }
      return { fault: { code: 'Server', message: 'Ticket not found', detail: { TicketNotFound: detail } } }
    }
    case 'ListTickets':
      return { data: { ticket: Array.from({ length: Number(given['count']) }, (_, at) => ticket(at + 1)) } }
    case 'AddComment': {
      const comment = given['comment']
      return { data: { seen: kindOf(comment), ...(comment === undefined ? {} : { comment }) } }
    }
    case 'EchoParty':
      return { data: { party: given['party'] ?? {} } }
    case 'WhoAmI': {
      const header = members(JSON.parse(metadata['soap:AuthHeader'] ?? '{}') as Json)
      return {
        data: { user: header['user'] ?? '(none)' },
        metadata: { 'soap:SessionHeader': '{"sessionId":"S-000042"}' },
      }
    }
    case 'NotifyShipment':
      return {}
    case 'createTicket':
      return {
        data: {
          ticketId: String(
            9007199254750000n + BigInt(items(given['tags']).length * 100 + Number(given['priority'])),
          ),
        },
      }
    case 'getTicket':
      return { data: { ticket: legacyTicket(text(given['ticketId'])) } }
    case 'listTickets':
      return {
        data: {
          tickets: {
            item: Array.from({ length: Number(given['count']) }, (_, at) => legacyTicket(String(at + 1))),
          },
        },
      }
    case 'sumAmounts': {
      const sum = items(given['amounts']).reduce<bigint>((all, one) => all + micro(text(one)), 0n)
      const digits = String(sum).padStart(7, '0')
      return { data: { sum: plain(`${digits.slice(0, -6)}.${digits.slice(-6)}`) } }
    }
    case 'echoTicket':
      return { data: { ticket: given['ticket'] ?? null } }
    case 'echoString':
      return { data: { s: given['s'] ?? '' } }
    default:
      return { fault: { code: 'Client', message: `no operation ${operation}` } }
  }
}

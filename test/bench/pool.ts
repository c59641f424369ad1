// The load of `wechat.ts`, in its own process: requests made and encrypted beforehand, each answer looked at.
import { encrypt, getSignature } from '@wecom/crypto'
import autocannon from 'autocannon'
import { createHash, randomBytes } from 'node:crypto'
import type { Result } from './load.ts'

/** What one process of load is asked for. */
export interface PoolOrder {
  readonly kind: 'wechat' | 'rest'
  /** `http://127.0.0.1:8080` */
  readonly base: string
  readonly account: BenchAccount
  readonly connections: number
  readonly seconds: number
  /** Never sent twice: enough for the whole time. */
  readonly requests: number
}

export interface BenchAccount {
  readonly appId: string
  readonly token: string
  readonly key: string
}

interface Prepared {
  readonly path: string
  readonly body: string
}

/** No two processes of load are the same customers. */
const run = randomBytes(4).toString('hex')
const TEXT = 'Where is my order? '.repeat(10)

if (process.argv[2] !== undefined) {
  const order = JSON.parse(process.argv[2]) as PoolOrder // our own parent wrote it
  console.log(JSON.stringify(await answered(order)))
}

/** As many as there can be, each one's answer looked at. */
async function answered(order: PoolOrder): Promise<Result> {
  const { kind, base, connections, seconds } = order
  const prepare = kind === 'wechat' ? prepareWechat : prepareRest
  const prepared = Array.from({ length: order.requests }, (_, index) => prepare(index, order.account))
  let next = 0
  const result = await autocannon({
    url: base,
    connections,
    duration: seconds,
    verifyBody: (body) => (kind === 'wechat' ? /<Encrypt>/u : /"reply"/u).test(String(body)),
    requests: [
      {
        method: 'POST',
        headers:
          kind === 'wechat'
            ? { 'content-type': 'text/xml' }
            : { 'content-type': 'application/json', prefer: 'wait=5' },
        setupRequest: (request) => ({ ...request, ...prepared[next++ % prepared.length] }),
      },
    ],
  })
  if (next > prepared.length) throw new Error(`${prepared.length} requests were not enough`)
  const { requests, latency, non2xx, errors, timeouts, mismatches } = result
  return {
    perSecond: requests.total / result.duration,
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    answered: result['2xx'] - mismatches,
    failed: non2xx + errors + timeouts + mismatches,
  }
}

/** A push in safe mode, encrypted by a library that is not ours; each customer writes once. */
function prepareWechat(index: number, { appId, token, key }: BenchAccount): Prepared {
  const seconds = String(Math.floor(Date.now() / 1000))
  const nonce = String(1_000_000_000 + index)
  const xml = `<xml><ToUserName><![CDATA[gh_bench]]></ToUserName><FromUserName><![CDATA[${run}-${index}]]></FromUserName><CreateTime>${seconds}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[${TEXT}]]></Content><MsgId>${23_000_000_000_000_000n + BigInt(index)}</MsgId></xml>`
  const encrypted = encrypt(key, xml, appId)
  const signature = createHash('sha1').update([token, seconds, nonce].toSorted().join('')).digest('hex')
  const query = new URLSearchParams({
    signature,
    timestamp: seconds,
    nonce,
    encrypt_type: 'aes',
    msg_signature: getSignature(token, seconds, nonce, encrypted),
  })
  const body = `<xml><ToUserName><![CDATA[gh_bench]]></ToUserName><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`
  return { path: `/wechat?${query}`, body }
}

function prepareRest(index: number): Prepared {
  const message = { sender: { id: `${run}-${index}` }, text: TEXT, externalId: String(index) }
  return { path: '/v1/messages', body: JSON.stringify(message) }
}

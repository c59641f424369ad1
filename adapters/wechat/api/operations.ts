// The platform's interfaces that can be called as operations of a backend, by product.
import { createHash } from 'node:crypto'

import { GatewayError } from 'dragoman'
import type { Operation } from 'dragoman'

import type { Product } from '../account.ts'
import { textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import { uploadOf } from './media.ts'
import type { WireCall } from './wire.ts'

export interface ApiOperation extends Operation {
  /** Makes the call from the parameters. Throws `DECODE_FAILED`. `key` is stable over tries. */
  readonly call: (params: Fields, key: string) => WireCall
  /** It uses up the customer's quota: the receiver. */
  readonly receiver?: (params: Fields) => string | undefined
  /** component: carried out by the third-party platform itself, not for an account. */
  readonly byPlatform?: true
}

type Operations = Readonly<Record<string, ApiOperation>>

const toUser = (params: Fields): string | undefined => textIn(params, 'touser')

const media: Operations = {
  // A second copy of a temporary file harms nobody.
  uploadMedia: { safe: false, idempotent: true, call: uploadOf },
  getMedia: {
    safe: true,
    call: (params) => ({ ...get('/cgi-bin/media/get', ['media_id'])(params), file: true, timeoutMs: 20_000 }),
  },
}

const common: Operations = {
  sendCustomMessage: { ...write('/cgi-bin/message/custom/send'), receiver: toUser },
  setTyping: { ...repeatable('/cgi-bin/message/custom/typing') },
  getCallbackIps: read('/cgi-bin/getcallbackip', []),
  ...media,
}

const official: Operations = {
  ...common,
  getUser: read('/cgi-bin/user/info', ['openid', 'lang?']),
  getUsers: { safe: true, call: post('/cgi-bin/user/info/batchget') },
  listUsers: read('/cgi-bin/user/get', ['next_openid?']),
  setRemark: repeatable('/cgi-bin/user/info/updateremark'),
  listTags: read('/cgi-bin/tags/get', []),
  tagUsers: repeatable('/cgi-bin/tags/members/batchtagging'),
  untagUsers: repeatable('/cgi-bin/tags/members/batchuntagging'),
  getMenu: read('/cgi-bin/menu/get', []),
  createMenu: repeatable('/cgi-bin/menu/create'),
  deleteMenu: { safe: false, idempotent: true, call: get('/cgi-bin/menu/delete', []) },
  createQrCode: write('/cgi-bin/qrcode/create'),
  sendTemplateMessage: {
    safe: false,
    // The platform sends one (openid, client_msg_id) once within 10 minutes; later it is another.
    call: (params, key) => post('/cgi-bin/message/template/send')({ client_msg_id: idOf(key), ...params }),
  },
  sendSubscribeMessage: write('/cgi-bin/message/subscribe/bizsend'),
}

const miniprogram: Operations = {
  ...common,
  sendSubscribeMessage: write('/cgi-bin/message/subscribe/send'),
  getPhoneNumber: write('/wxa/business/getuserphonenumber'),
  getMiniProgramCode: {
    safe: true,
    call: (params) => ({ ...post('/wxa/getwxacodeunlimit')(params), file: true }),
  },
}

const wecom: Operations = {
  sendMessage: write('/cgi-bin/message/send'),
  recallMessage: repeatable('/cgi-bin/message/recall'),
  getUser: read('/cgi-bin/user/get', ['userid']),
  listDepartments: read('/cgi-bin/department/simplelist', ['id?']),
  getExternalContact: read('/cgi-bin/externalcontact/get', ['external_userid', 'cursor?']),
  getCallbackIps: read('/cgi-bin/getcallbackip', []),
  ...media,
}

const kf: Operations = {
  sendMessage: {
    safe: false,
    idempotent: true, // by msgid
    receiver: toUser,
    call: (params, key) => post('/cgi-bin/kf/send_msg')({ msgid: idOf(key), ...params }),
  },
  sendEventMessage: {
    safe: false,
    idempotent: true,
    call: (params, key) => post('/cgi-bin/kf/send_msg_on_event')({ msgid: idOf(key), ...params }),
  },
  getUser: {
    safe: true,
    call: (params) =>
      post('/cgi-bin/kf/customer/batchget')({ external_userid_list: [needed(params, 'external_userid')] }),
  },
  getUsers: { safe: true, call: post('/cgi-bin/kf/customer/batchget') },
  listAccounts: read('/cgi-bin/kf/account/list', []),
  listServicers: read('/cgi-bin/kf/servicer/list', ['open_kfid']),
  getSession: { safe: true, call: post('/cgi-bin/kf/service_state/get') },
  transferSession: repeatable('/cgi-bin/kf/service_state/trans'),
  addContactWay: write('/cgi-bin/kf/add_contact_way'),
  getCallbackIps: read('/cgi-bin/getcallbackip', []),
  ...media,
}

const component: Operations = {
  ...official,
  createPreauthCode: { ...write('/cgi-bin/component/api_create_preauthcode'), byPlatform: true },
  getAuthorizer: {
    safe: true,
    call: post('/cgi-bin/component/api_get_authorizer_info'),
    byPlatform: true,
  },
  listAuthorizers: {
    safe: true,
    call: post('/cgi-bin/component/api_get_authorizer_list'),
    byPlatform: true,
  },
}

/** The operations of a product; a bot of WeCom has no interface but the address it was given. */
export function operationsOf(product: Product): Operations {
  switch (product) {
    case 'official':
      return official
    case 'miniprogram':
      return miniprogram
    case 'wecom':
      return wecom
    case 'wecom-kf':
      return kf
    case 'component':
      return component
    case 'wecom-bot':
      return {}
  }
}

/** A key of ours as the platform takes ids: 32 of `[0-9A-Za-z_-]`, the same for the same key. */
export function idOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 32)
}

function read(path: string, names: readonly string[]): ApiOperation {
  return { safe: true, call: get(path, names) }
}

function write(path: string): ApiOperation {
  return { safe: false, call: post(path) }
}

/** The same again leads to the same state. */
function repeatable(path: string): ApiOperation {
  return { safe: false, idempotent: true, call: post(path) }
}

function post(path: string): (params: Fields) => WireCall {
  return (params) => ({ method: 'POST', path, body: params })
}

/** Parameters that go into the query; a question mark behind the name: it may be left out. */
function get(path: string, names: readonly string[]): (params: Fields) => WireCall {
  return (params) => {
    const query: Record<string, string> = {}
    for (const written of names) {
      const name = written.replace('?', '')
      if (written.endsWith('?') && !Object.hasOwn(params, name)) continue
      query[name] = needed(params, name)
    }
    return { method: 'GET', path, query }
  }
}

function needed(params: Fields, name: string): string {
  const value = Object.hasOwn(params, name) ? params[name] : undefined
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number') return String(value)
  throw new GatewayError('DECODE_FAILED', `the parameter "${name}" is missing`, { notExecuted: true })
}

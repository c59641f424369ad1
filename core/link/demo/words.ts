// What the chat page says, in English and in Chinese.
import type { LinkKind, Mark, StateEvent } from '../client/types.ts'

export type Language = 'en' | 'zh'
type LinkStatus = Extract<StateEvent, { what: 'link' }>['status']

export interface Words {
  /** Of the elements that name them by `data-text`. */
  readonly page: Readonly<Record<'title' | 'name' | 'nameHint' | 'begin' | 'message' | 'send', string>>
  readonly placeholder: string
  readonly other: string
  readonly status: Readonly<Record<LinkStatus, string>>
  readonly links: Readonly<Record<LinkKind, string>>
  readonly marks: Readonly<Record<Mark, string>>
  waiting(count: number): string
  readonly missed: string
  readonly recovered: string
}

const LINKS = { websocket: 'WebSocket', mqtt: 'MQTT', http: 'HTTP' } as const

export const words: Readonly<Record<Language, Words>> = {
  en: {
    page: {
      title: 'Customer service',
      name: 'Your name',
      nameHint:
        "Letters and digits. Where the gateway has no identity configured a name is enough; else paste a customer's token.",
      begin: 'Begin',
      message: 'Message',
      send: 'Send',
    },
    placeholder: 'Write a message',
    other: '中文',
    status: {
      waiting: 'Open in another tab',
      connecting: 'Connecting…',
      online: 'Online',
      elsewhere: 'Open elsewhere',
      refused: 'Not admitted',
      failed: 'Stopped',
      closed: 'Closed',
    },
    links: LINKS,
    marks: {
      queued: 'kept on this device',
      sent: 'on its way',
      stored: 'stored',
      delivered: 'delivered',
      read: 'read',
      refused: 'refused',
    },
    waiting: (count) =>
      count === 1
        ? 'No connection. One message is kept on this device and goes out when there is one.'
        : `No connection. ${count} messages are kept on this device and go out when there is one.`,
    missed: 'Some earlier messages are no longer kept by the service.',
    recovered: 'Earlier messages were fetched from the log.',
  },
  zh: {
    page: {
      title: '客户服务',
      name: '您的名字',
      nameHint: '请用字母和数字。网关未配置 identity 时，名字即可；已配置时，请粘贴客户令牌。',
      begin: '开始',
      message: '消息',
      send: '发送',
    },
    placeholder: '输入消息',
    other: 'English',
    status: {
      waiting: '已在另一个标签页打开',
      connecting: '正在连接…',
      online: '在线',
      elsewhere: '已在别处打开',
      refused: '未获准入',
      failed: '已停止',
      closed: '已关闭',
    },
    links: LINKS,
    marks: {
      queued: '已保存在本机',
      sent: '发送中',
      stored: '已存储',
      delivered: '已送达',
      read: '已读',
      refused: '被拒绝',
    },
    waiting: (count) => `没有网络连接。${count} 条消息已保存在本机，恢复连接后自动发送。`,
    missed: '部分较早的消息，服务端已不再保留。',
    recovered: '已从记录中取回较早的消息。',
  },
}

// What the chat page says, in English and in Chinese.
import type { LinkKind, Mark, Said, StateEvent } from '../client/types.ts'

export type Language = 'en' | 'zh'
type LinkStatus = Extract<StateEvent, { what: 'link' }>['status']

export interface Words {
  /** Of the elements that name them by `data-text`. */
  readonly page: Readonly<
    Record<'title' | 'name' | 'nameHint' | 'begin' | 'message' | 'send' | 'noText' | Said['from'], string>
  >
  readonly placeholder: string
  /** For who hears the page: what scrolls there. */
  readonly conversation: string
  readonly other: string
  readonly status: Readonly<Record<LinkStatus, string>>
  readonly links: Readonly<Record<LinkKind, string>>
  readonly marks: Readonly<Record<Mark, string>>
  readonly answers: Answers
  readonly notices: Notices
}

/** Beside an answer: that it is the last good one, of `moment` where that is known, or one with a part missing. */
export interface Answers {
  stale(moment: string | undefined): string
  readonly partial: string
}

/** Beside the conversation; `reason` is the client's own word, in English. */
export interface Notices {
  refused(reason: string): string
  failed(reason: string): string
  /** What stands in the field. */
  readonly tooLong: string
  readonly waiting: string
  readonly offline: string
  /** Empty where nothing is. */
  kept(count: number): string
  readonly missed: string
  readonly recovered: string
  /** The browser refuses to keep anything; behind what else is to be said. */
  readonly fleeting: string
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
      noText: '(no text)',
      me: 'You:',
      them: 'Service:',
    },
    placeholder: 'Write a message',
    conversation: 'Conversation',
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
    answers: {
      stale: (moment) => (moment === undefined ? 'last known' : `last known, of ${moment}`),
      partial: 'a part is missing',
    },
    notices: {
      refused: (reason) => `The token is wrong or has run out (${reason}). Please enter another one below.`,
      failed: (reason) =>
        `The chat has stopped (${reason}): what is written now is not kept. Please begin again below.`,
      tooLong: 'This message is too long and was not sent. Please send it in parts.',
      waiting: 'This chat is open in another tab. What is written here goes out when that tab is closed.',
      offline: 'No connection.',
      kept: (count) => {
        if (count === 0) return ''
        return count === 1
          ? 'One message is kept on this device and goes out once you are online.'
          : `${count} messages are kept on this device and go out once you are online.`
      },
      missed: 'Some earlier messages are no longer kept by the service.',
      recovered: 'Earlier messages were fetched from the log.',
      fleeting: 'This browser refuses storage: nothing is kept here once the page is closed.',
    },
  },
  zh: {
    page: {
      title: '客户服务',
      name: '您的名字',
      nameHint: '请用字母和数字。网关未配置 identity 时，名字即可；已配置时，请粘贴客户令牌。',
      begin: '开始',
      message: '消息',
      send: '发送',
      noText: '（无文字内容）',
      me: '您：',
      them: '客服：',
    },
    placeholder: '输入消息',
    conversation: '对话',
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
    answers: {
      stale: (moment) => (moment === undefined ? '最后已知' : `最后已知，${moment}`),
      partial: '内容不完整',
    },
    notices: {
      refused: (reason) => `令牌有误或已过期（${reason}）。请在下方重新输入。`,
      failed: (reason) => `聊天已停止（${reason}），现在输入的内容不会保存。请在下方重新开始。`,
      tooLong: '消息过长，未发送。请分成几条发送。',
      waiting: '此聊天已在另一个标签页打开。关闭该标签页后，这里输入的内容才会发送。',
      offline: '没有网络连接。',
      kept: (count) => (count === 0 ? '' : `${count} 条消息已保存在本机，上线后自动发送。`),
      missed: '部分较早的消息，服务端已不再保留。',
      recovered: '已从记录中取回较早的消息。',
      fleeting: '此浏览器不允许存储：关闭页面后，这里不会保留任何内容。',
    },
  },
}

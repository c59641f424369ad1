// The chat page of /demo/chat: the four calls of dragoman/client, and what a person sees of them.
import { connect } from '../client/browser.ts'
import type { Client, Said, StateEvent } from '../client/browser.ts'
import { subjectOf } from '../client/token.ts'
import { linesOf } from './lines.ts'
import type { Line } from './lines.ts'
import { words } from './words.ts'
import type { Language, Words } from './words.ts'

let language: Language = navigator.language.startsWith('zh') ? 'zh' : 'en'
let link: Extract<StateEvent, { what: 'link' }> = { what: 'link', status: 'connecting' }
/** Since then no link was had: why the token is not taken. */
let refusal: string | undefined
let waiting = 0
let missed: 'missed' | 'recovered' | undefined
/** Who writes, until somebody begins anew. */
let chat: Client | undefined
let box: string | undefined

const element = (id: string): HTMLElement => {
  const found = document.querySelector<HTMLElement>(`#${id}`)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}
const enter = element('enter')
const say = element('say')
const conversation = element('conversation')
const messages = element('messages')
const text = element('text') as HTMLTextAreaElement // as chat.html has it
const name = element('name') as HTMLInputElement // as chat.html has it

/** Everything that is in words; called again when the language or the state changes. */
function write(): void {
  const { page, placeholder, other, status, links, marks } = words[language]
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  for (const [key, value] of Object.entries(page))
    for (const at of document.querySelectorAll(`[data-text="${key}"]`)) at.textContent = value
  text.placeholder = placeholder
  name.title = page.nameHint
  element('language').textContent = other
  element('language').lang = language === 'zh' ? 'en' : 'zh'
  element('link').dataset['status'] = link.status
  element('link-text').textContent =
    link.link === undefined ? status[link.status] : `${status[link.status]} · ${links[link.link]}`
  const notice = element('notice')
  notice.textContent = noticeOf(words[language].notices)
  notice.hidden = notice.textContent === ''
  for (const row of messages.children) writeMark(row, marks)
}

/** What is most urgent to be known; empty: nothing. */
function noticeOf(notices: Words['notices']): string {
  if (link.status === 'failed') return notices.failed(link.reason ?? '')
  if (refusal !== undefined) return `${notices.refused(refusal)} ${notices.kept(waiting)}`.trim()
  if (link.status === 'waiting') return notices.waiting
  if (waiting > 0 && link.status !== 'online') return `${notices.offline} ${notices.kept(waiting)}`
  return missed === undefined ? '' : notices[missed]
}

function writeMark(row: Element, marks: Readonly<Record<string, string>>): void {
  if (!(row instanceof HTMLElement)) return
  const { mark, at = '', code = '' } = row.dataset
  const time = new Date(at).toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' })
  const said = mark === undefined ? '' : ` · ${marks[mark] ?? mark}${code === '' ? '' : ` (${code})`}`
  const small = row.querySelector('small')
  if (small !== null) small.textContent = `${time}${said}`
}

function show(said: Said): void {
  const { id, from, at, mark, code } = said
  const row = document.createElement('li')
  row.className = from
  row.dataset['id'] = id
  row.dataset['at'] = at
  if (mark !== undefined) row.dataset['mark'] = mark
  if (code !== undefined) row.dataset['code'] = code
  const lines = linesOf(said)
  row.append(...(lines.length > 0 ? lines.map(lineOf) : [noText()]), document.createElement('small'))
  messages.append(row)
  writeMark(row, words[language].marks)
  conversation.scrollTop = conversation.scrollHeight
}

function lineOf({ text: said, href }: Line): HTMLElement {
  const line = document.createElement('span')
  if (href === undefined) {
    line.textContent = said
    return line
  }
  const anchor = document.createElement('a')
  anchor.textContent = said
  anchor.href = href
  anchor.target = '_blank'
  anchor.rel = 'noopener noreferrer'
  line.append(anchor)
  return line
}

function noText(): HTMLElement {
  const line = document.createElement('span')
  line.dataset['text'] = 'noText'
  line.textContent = words[language].page.noText
  return line
}

function hear(event: StateEvent): void {
  switch (event.what) {
    case 'link':
      link = event
      admit(event)
      break
    case 'outbox':
      waiting = event.waiting
      break
    case 'missed':
      missed = event.all ? 'recovered' : 'missed'
      break
    case 'mark': {
      const row = messages.querySelector<HTMLElement>(`[data-id="${CSS.escape(event.id)}"]`)
      if (row === null) return
      row.dataset['mark'] = event.mark
      if (event.code !== undefined) row.dataset['code'] = event.code
      writeMark(row, words[language].marks)
      return
    }
  }
  write()
}

/** A token that is refused, or whose box failed, is asked for again and kept no longer; the client goes on trying meanwhile. */
function admit({ status, reason = '' }: typeof link): void {
  if (status === 'online') {
    refusal = undefined
    enter.hidden = true
  }
  if (status !== 'refused' && status !== 'failed') return
  if (status === 'refused') refusal = reason
  if (enter.hidden) {
    enter.hidden = false
    conversation.scrollTop = conversation.scrollHeight
  }
  sessionStorage.removeItem('token')
  history.replaceState(undefined, '', location.pathname)
}

/** The same for each token of a customer; of any other token itself, which is not to stand in the name of a database. */
async function boxOf(token: string): Promise<string> {
  const subject = subjectOf(token)
  const owner = subject === undefined ? token : `sub ${subject}` // a token has no space
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(owner))
  return Array.from(new Uint8Array(digest).slice(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The field keeps what was written until the device has it: in a second tab that is when the first is closed. */
async function keep(): Promise<void> {
  const said = text.value.trim()
  const writer = chat
  if (writer === undefined || said === '' || text.readOnly) return
  text.readOnly = true
  try {
    await writer.send(said)
    text.value = ''
  } catch (error) {
    if (writer === chat) hear({ what: 'link', status: 'failed', reason: String(error) })
  } finally {
    text.readOnly = false
  }
}

/** Also in the place of who wrote before: what is another's is neither shown nor left in the field. */
async function begin(token: string): Promise<void> {
  enter.hidden = true
  name.value = ''
  const former = chat
  chat = undefined
  await former?.close().catch(() => undefined) // what it failed with has been told
  const next = await boxOf(token)
  if (box !== undefined && box !== next) text.value = ''
  box = next
  refusal = undefined
  missed = undefined
  waiting = 0
  messages.replaceChildren()
  sessionStorage.setItem('token', token)
  const client = connect({ url: location.origin, token, box })
  chat = client
  for (const part of [element('link'), say, conversation]) part.hidden = false
  client.onMessage((said) => {
    if (client === chat) show(said)
  })
  client.onState((event) => {
    if (client === chat) hear(event)
  })
  text.focus()
}

say.addEventListener('submit', (event) => {
  event.preventDefault()
  void keep()
})
text.addEventListener('keydown', (event) => {
  // Enter that ends a composition (pinyin) chooses a word and sends nothing.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  if (say instanceof HTMLFormElement) say.requestSubmit()
})
element('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh'
  write()
})
enter.addEventListener('submit', (event) => {
  event.preventDefault()
  void begin(name.value.trim())
})
write()
const known = [new URLSearchParams(location.search).get('as'), sessionStorage.getItem('token')]
const token = known.map((each) => each?.trim() ?? '').find((each) => each !== '')
if (token !== undefined) void begin(token)

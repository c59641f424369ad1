// The chat page of /demo/chat: the four calls of dragoman/client, and what a person sees of them.
import { connect } from '../client/browser.ts'
import type { Client, Said, StateEvent } from '../client/browser.ts'
import { subjectOf } from '../client/token.ts'
import { linesOf } from './lines.ts'
import type { Line } from './lines.ts'
import { isStale, momentOf, noteOf } from './notes.ts'
import { boxAtHand, keep, recall } from './storage.ts'
import { words } from './words.ts'
import type { Language, Words } from './words.ts'

let language: Language = (recall('localStorage', 'language') ?? navigator.language).startsWith('zh')
  ? 'zh'
  : 'en'
let link: Extract<StateEvent, { what: 'link' }> = { what: 'link', status: 'connecting' }
/** Since then no link was had: why the token is not taken. */
let refusal: string | undefined
let waiting = 0
let missed: 'missed' | 'recovered' | undefined
/** Who writes, until somebody begins anew. */
let chat: Client | undefined
let box: string | undefined
/** Whose chat it is. */
let admission = ''
/** What was written is more than a message holds. */
let isTooLong = false
/** The browser keeps nothing: the chat lives as long as the page. */
let isFleeting = false
/** What is shown, by its id. */
const rows = new Map<string, Row>()
/** Whether the last message is in view: it stays so by itself, and who has scrolled up to read stays where he is. */
let isAtEnd = true
let scrolledTo = 0
let writtenOn = ''
/** So near is at the end, in CSS pixels: less than a line. */
const NEAR_PX = 20

interface Row {
  readonly said: Said
  readonly item: HTMLElement
}

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

/** Everything that is in words; called again when the language changes, or the day: moments of today are without it. */
function write(): void {
  const { page, placeholder, conversation: label, other } = words[language]
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  for (const [key, value] of Object.entries(page))
    for (const at of document.querySelectorAll(`[data-text="${key}"]`)) at.textContent = value
  text.placeholder = placeholder
  conversation.ariaLabel = label
  judgeName()
  element('language').textContent = other
  element('language').lang = language === 'zh' ? 'en' : 'zh'
  for (const row of rows.values()) writeNote(row)
  writtenOn = new Date().toDateString()
  writeState()
}

/** At each key and each step of a message: its work does not grow with what is shown. */
function writeState(): void {
  const { status, links, notices } = words[language]
  element('link').dataset['status'] = link.status
  element('link-text').textContent =
    link.link === undefined ? status[link.status] : `${status[link.status]} · ${links[link.link]}`
  const notice = element('notice')
  notice.textContent = `${noticeOf(notices)} ${isFleeting ? notices.fleeting : ''}`.trim()
  notice.hidden = notice.textContent === ''
}

/** Why a name is not taken, in the page's language: the browser says it in its own, and only that it has another format. */
function judgeName(): void {
  name.setCustomValidity(name.validity.patternMismatch ? words[language].page.nameHint : '')
}

/** What is most urgent to be known; empty: nothing. */
function noticeOf(notices: Words['notices']): string {
  if (link.status === 'failed') return notices.failed(link.reason ?? '')
  if (isTooLong) return notices.tooLong
  if (refusal !== undefined) return `${notices.refused(refusal)} ${notices.kept(waiting)}`.trim()
  if (link.status === 'waiting') return notices.waiting
  if (waiting > 0 && link.status !== 'online') return `${notices.offline} ${notices.kept(waiting)}`
  return missed === undefined ? '' : notices[missed]
}

function writeNote({ said, item }: Row): void {
  if (said.mark !== undefined) item.dataset['mark'] = said.mark
  const time = document.createElement('time')
  time.dateTime = said.at
  time.textContent = momentOf(said.at, language)
  const also = noteOf(said, language)
  item.querySelector('small')?.replaceChildren(time, also === '' ? '' : ` · ${also}`)
}

function show(said: Said): void {
  const item = document.createElement('li')
  item.className = said.from
  item.classList.toggle('stale', isStale(said.message))
  // Side and colour tell who speaks to those alone who see them.
  const speaker = worded('b', said.from)
  speaker.className = 'hidden'
  const lines = linesOf(said)
  const shown = lines.length > 0 ? lines.map(lineOf) : [worded('span', 'noText')]
  item.append(speaker, ...shown, document.createElement('small'))
  const row = { said, item }
  rows.set(said.id, row)
  writeNote(row)
  messages.append(item)
  if (isAtEnd || said.from === 'me') toEnd()
}

function toEnd(): void {
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

/** In the page's language, also when that changes. */
function worded(tag: 'b' | 'span', key: keyof Words['page']): HTMLElement {
  const made = document.createElement(tag)
  made.dataset['text'] = key
  made.textContent = words[language].page[key]
  return made
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
      const row = rows.get(event.id)
      if (row === undefined) return
      const { mark, code = row.said.code } = event
      const marked = { ...row, said: { ...row.said, mark, ...(code !== undefined && { code }) } }
      rows.set(event.id, marked)
      writeNote(marked)
      return
    }
  }
  if (writtenOn === new Date().toDateString()) writeState()
  else write()
}

/** A token that is refused, or whose box failed, is asked for again and kept no longer; the client goes on trying meanwhile. */
function admit({ status, reason = '' }: typeof link): void {
  if (status === 'online') {
    refusal = undefined
    enter.hidden = true
    keep('sessionStorage', 'token', admission)
  }
  if (status !== 'refused' && status !== 'failed') return
  if (status === 'refused') refusal = reason
  enter.hidden = false
  keep('sessionStorage', 'token', undefined)
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
async function submit(): Promise<void> {
  const said = text.value.trim()
  const writer = chat
  if (writer === undefined || said === '' || text.readOnly) return
  text.readOnly = true
  try {
    await writer.send(said)
    text.value = ''
    isTooLong = false
  } catch (error) {
    isTooLong = error instanceof RangeError
    if (!isTooLong && writer === chat) hear({ what: 'link', status: 'failed', reason: String(error) })
  } finally {
    text.readOnly = false
    writeState()
  }
}

/** Also in the place of who wrote before: what is another's is neither shown nor left in the field. */
async function begin(token: string): Promise<void> {
  admission = token
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
  isTooLong = false
  waiting = 0
  messages.replaceChildren()
  rows.clear()
  isAtEnd = true
  keep('sessionStorage', 'token', token)
  isFleeting = false
  const client = connect({
    url: location.origin,
    token,
    box: boxAtHand(box, () => {
      isFleeting = true
      writeState()
    }),
  })
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
  void submit()
})
text.addEventListener('keydown', (event) => {
  // Enter that ends a composition (pinyin) chooses a word and sends nothing. Safari tells it after the composition's end, by 229 alone.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return
  event.preventDefault()
  if (say instanceof HTMLFormElement) say.requestSubmit()
})
text.addEventListener('input', () => {
  isTooLong = false
  writeState()
})
element('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh'
  keep('localStorage', 'language', language)
  write()
})
conversation.addEventListener('scroll', () => {
  const { scrollTop, scrollHeight, clientHeight } = conversation
  // What is appended, or narrows the view, leads away from the end too; upwards goes only who reads.
  if (scrollHeight - clientHeight - scrollTop < NEAR_PX) isAtEnd = true
  else if (scrollTop < scrolledTo) isAtEnd = false
  scrolledTo = scrollTop
})
new ResizeObserver(() => {
  if (isAtEnd) toEnd()
}).observe(conversation)
name.addEventListener('input', judgeName)
enter.addEventListener('submit', (event) => {
  event.preventDefault()
  void begin(name.value.trim())
})
write()
const known = [new URLSearchParams(location.search).get('as'), recall('sessionStorage', 'token')]
const first = known.map((each) => each?.trim() ?? '').find((each) => each !== '')
if (first !== undefined) void begin(first)

// XML as WeChat really sends it, made into XML that a strict reader takes: control characters, blanks around CDATA, a raw `]]>`.

const OPEN = '<![CDATA['
const CLOSE = ']]>'
/** `]]>` as the text of two sections. */
const SPLIT = `]]${CLOSE}${OPEN}>`

// XML 1.0 §2.2 has none of these. They travel as characters of the last private plane, of which nobody makes use.
const ILLEGAL = new RegExp(String.raw`[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]`, 'gu')
const STOWED = new RegExp(String.raw`[\u{10FF00}-\u{10FF1F}]`, 'gu')
const STOWED_FROM = 0x10ff00

export interface Tidied {
  readonly text: string
  /** Turns a value read from it back into what was sent. */
  readonly restore: ((value: string) => string) | undefined
}

/** Puts aside what no XML may hold. Where the text uses the place already, it is lost instead: U+FFFD. */
export function stowControls(text: string): Tidied {
  if (text.search(ILLEGAL) === -1) return { text, restore: undefined }
  const isTaken = text.search(STOWED) !== -1
  const stow = (character: string): string => {
    const code = character.charCodeAt(0)
    return isTaken || code > 0x1f ? '\uFFFD' : String.fromCodePoint(STOWED_FROM + code)
  }
  return {
    text: text.replace(ILLEGAL, stow),
    restore: isTaken ? undefined : (value) => value.replace(STOWED, unstow),
  }
}

function unstow(character: string): string {
  return String.fromCharCode((character.codePointAt(0) ?? STOWED_FROM) - STOWED_FROM)
}

/**
 * Drops the blanks between a tag and its CDATA section: they are layout, the section is the value. With `repair` a section ends
 * where its element does: a customer's `]]>` that nobody split stays in his text.
 */
export function tidyCdata(text: string, repair = false): string {
  let tidy = ''
  let at = 0
  let isPlain = !repair
  for (let open = text.indexOf(OPEN); open !== -1; open = text.indexOf(OPEN, at)) {
    const start = open + OPEN.length
    const byElement = isPlain ? -1 : endByElement(text, start)
    if (byElement === -1) isPlain = true // there is none further on either: nobody looks again
    const end = byElement === -1 ? text.indexOf(CLOSE, start) : byElement
    if (end === -1) break
    const before = text.slice(at, open)
    const trimmed = before.trimEnd()
    tidy += trimmed.endsWith('>') ? trimmed : before
    const inside = text.slice(start, end)
    tidy += OPEN + (repair ? inside.replaceAll(CLOSE, SPLIT) : inside) + CLOSE
    at = end + CLOSE.length
    const rest = BLANKS_BEFORE_END.exec(text.slice(at, at + MOST_BLANKS))
    if (rest !== null) at += rest[0].length - 2
  }
  return at === 0 ? text : tidy + text.slice(at)
}

/** The same text where the first section of this element goes on to the last end of one. */
export function withOneSection(text: string, name: string): string {
  const [start = ''] = new RegExp(`<${name}>\\s*<!\\[CDATA\\[`, 'u').exec(text) ?? []
  const from = text.indexOf(start) + start.length
  const to = text.lastIndexOf(`${CLOSE}</${name}>`)
  if (start === '' || to < from) return text
  return text.slice(0, from) + text.slice(from, to).replaceAll(CLOSE, SPLIT) + text.slice(to)
}

/** The first `]]>` that an end tag or another section follows; -1: none does. */
function endByElement(text: string, start: number): number {
  for (let end = text.indexOf(CLOSE, start); end !== -1; end = text.indexOf(CLOSE, end + 1)) {
    const next = end + CLOSE.length
    if (text.startsWith(OPEN, next) || BLANKS_BEFORE_END.test(text.slice(next, next + MOST_BLANKS)))
      return end
  }
  return -1
}

const MOST_BLANKS = 256
const BLANKS_BEFORE_END = /^\s*<\//

// Topic names and filters (MQTT 3.1.1 §4.7): whether they are well formed, match, or lie within one another.

/** [MQTT-4.7.3-3]: at most 65,535 bytes; deeper ones than these are nobody's device. */
const MAX_LEVELS = 32
const MAX_CHARACTERS = 1024
// [MQTT-4.7.3-2] U+0000; the other control characters are those [MQTT-1.5.3] lets a receiver refuse.
const CONTROL = new RegExp(String.raw`[\u0000-\u001F\u007F-\u009F]`, 'u')

/** Why a text is no topic name to publish to; undefined if it is one. */
export function topicProblem(topic: string): string | undefined {
  if (/[+#]/u.test(topic)) return 'a topic to publish to holds no wildcard (MQTT 3.1.1 §3.3.2)'
  return textProblem(topic)
}

/** Why a text is no topic filter; undefined if it is one. */
export function filterProblem(filter: string): string | undefined {
  const problem = textProblem(filter)
  if (problem !== undefined) return problem
  const levels = filter.split('/')
  for (const [index, level] of levels.entries()) {
    if (level === '+') continue
    if (level === '#') {
      if (index !== levels.length - 1) return '# stands only at the end of a filter (MQTT 3.1.1 §4.7.1.2)'
    } else if (/[+#]/u.test(level)) return 'a wildcard fills its level (MQTT 3.1.1 §4.7.1)'
  }
  return undefined
}

/** Whether a topic name matches a filter. A leading wildcard matches no topic that begins with `$` [MQTT-4.7.2-1]. */
export function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/u.test(filter)) return false
  return covers(filter, topic)
}

/** Whether every topic that `inner` (a filter or a name) matches is matched by `outer`. */
export function covers(outer: string, inner: string): boolean {
  const wide = outer.split('/')
  const narrow = inner.split('/')
  for (const [index, level] of wide.entries()) {
    if (level === '#') return true // §4.7.1.2: `sport/#` also matches `sport`
    const other = narrow[index]
    if (other === undefined || other === '#') return false
    if (level !== '+' && level !== other) return false
  }
  return narrow.length === wide.length
}

/** The levels with `{name}` in them replaced by `+`: the filter for a template's topics. */
export function filterOf(template: string): string {
  return template
    .split('/')
    .map((level) => (/\{[^}]*\}/u.test(level) ? '+' : level))
    .join('/')
}

/** What is no UTF-8, which the parser has replaced by then, and U+0000 are no text of MQTT (3.1.1 §1.5.3). */
export function isText(topic: string): boolean {
  return topic.isWellFormed() && !/[\u0000\uFFFD]/u.test(topic)
}

function textProblem(text: string): string | undefined {
  if (text === '') return 'it is empty'
  if (text.length > MAX_CHARACTERS) return `it has ${text.length} characters: ${MAX_CHARACTERS} are the most`
  if (CONTROL.test(text)) return 'it holds a control character'
  if (!text.isWellFormed() || text.includes('\uFFFD')) return 'it is not well-formed UTF-8'
  const levels = text.split('/').length
  if (levels > MAX_LEVELS) return `it has ${levels} levels: ${MAX_LEVELS} are the most`
  return undefined
}

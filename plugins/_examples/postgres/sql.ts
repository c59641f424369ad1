// Looks at the text of a query: one statement, `$1` where a value belongs, and nothing that is filled in.

/** Texts, names and comments of PostgreSQL (its manual, 4.1), one after the other. Nested comments end at the first end. */
const QUOTED = new RegExp(
  [
    String.raw`[eE]'(?:[^'\\]|\\[\s\S]|'')*'`,
    String.raw`'(?:[^']|'')*'`,
    String.raw`"(?:[^"]|"")*"`,
    String.raw`\$(?<tag>[A-Za-z_]\w*)?\$[\s\S]*?\$\k<tag>\$`,
    String.raw`--[^\n]*`,
    String.raw`\/\*[\s\S]*?\*\/`,
  ].join('|'),
  'g',
)

/** Why a query is not run as it is written; undefined: it is. */
export function queryProblem(query: string, parameters: readonly string[]): string | undefined {
  if (/\$\{|\{\{\s*[\w.]+\s*\}\}/.test(query))
    return 'values are never put into the text: write $1, $2 … and name the parameters in that order'
  const quoted = query.match(QUOTED) ?? []
  const filled = parameters.find((name) => quoted.some((text) => text.includes(`{${name}}`)))
  if (filled !== undefined)
    return `values are never put into the text: write $${parameters.indexOf(filled) + 1} for {${filled}}, without quotes`
  const code = query.replace(QUOTED, "''")
  const template = /\{[^}]*\}?|(?<![:\w]):[A-Za-z_]\w*|%s\b|(?<!\w)\?(?=\s*(?:$|[,)]))/.exec(code)?.[0]
  if (template !== undefined)
    return `"${template}" is no SQL of PostgreSQL: write $1, $2 … and name the parameters in that order`
  if (code.includes(';')) return 'one query, without a semicolon'
  const numbers = new Set([...code.matchAll(/(?<![\w$])\$(\d+)/g)].map(([, number]) => Number(number)))
  const unnamed = [...numbers].find((number) => number < 1 || number > parameters.length)
  if (unnamed !== undefined) return `$${unnamed} has no name: there are ${parameters.length} parameters`
  const unused = parameters.findIndex((_name, index) => !numbers.has(index + 1))
  return unused === -1
    ? undefined
    : `parameter "${parameters[unused]}" is $${unused + 1}, which the query does not have`
}

/** The query as the database is asked whether it would take it: as part of another it cannot write, and nothing of it is done. */
export function checkingQuery(query: string): { readonly text: string; readonly before: number } {
  const before = 'SELECT * FROM (\n'
  return { text: `${before}${query}\n) AS checked LIMIT 0`, before: before.length }
}

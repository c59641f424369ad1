// The line at which a text is no JSON, where V8 does not say it.

/** For a `problem` in V8's words without a position: the end, or the first line without which its token is not met. Lines count from 1. */
export function jsonLine(text: string, problem: string): number {
  const lines = text.trimEnd().split('\n')
  const [token] = /^Unexpected token '.+?'/su.exec(problem) ?? []
  let [fine, bad] = [token === undefined ? lines.length - 1 : 0, lines.length]
  while (bad - fine > 1) {
    const middle = Math.floor((fine + bad) / 2)
    if (jsonProblem(lines.slice(0, middle).join('\n')).startsWith(token ?? '')) bad = middle
    else fine = middle
  }
  return bad
}

function jsonProblem(text: string): string {
  try {
    JSON.parse(text)
    return ''
  } catch (error) {
    return String(error).replace('SyntaxError: ', '')
  }
}

// What was probably meant by a name that is not there.

/** ` (did you mean "GetOrder"?)`, or nothing where no candidate is near: at most a third of the characters may differ. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  let best: string | undefined
  let most = Math.max(1, Math.min(3, Math.floor(word.length / 3)))
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > most) continue
    const edits = distance(word.toLowerCase(), candidate.toLowerCase())
    if (edits > most || (edits === most && best !== undefined)) continue
    best = candidate
    most = edits
  }
  return best === undefined ? '' : ` (did you mean ${JSON.stringify(best)}?)`
}

/** Levenshtein's: inserted, deleted and replaced characters. */
function distance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row += 1) {
    const here = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      here.push(Math.min(replaced, (above[column] ?? 0) + 1, (here[column - 1] ?? 0) + 1))
    }
    above = here
  }
  return above[to.length] ?? 0
}

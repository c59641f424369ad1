// The values of a JSON text, found and exchanged by their place.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonLeaves, replaceLeaf } from '../../../../core/map/json-leaves.ts'

test('every leaf has its path and its text as it is written', () => {
  const source = '{"a":{"b c":[1.10,"x\\"y:",null,[true]]},"订单":"7","__proto__":-0,"e":{},"l":[]}'
  expect(jsonLeaves(source).map(({ path, text, kind }) => [path, text, kind])).toEqual([
    ['a["b c"][0]', '1.10', 'number'],
    ['a["b c"][1]', 'x"y:', 'text'],
    ['a["b c"][2]', 'null', 'null'],
    ['a["b c"][3][0]', 'true', 'boolean'],
    ['订单', '7', 'text'],
    ['__proto__', '-0', 'number'],
  ])
  expect(jsonLeaves('"x"').map(({ path, member, text }) => [path, member, text])).toEqual([['', '', 'x']])
  expect(() => jsonLeaves('{"a":}')).toThrow(SyntaxError)
})

test('a leaf exchanged for its own literal leaves the text as it was; for another, only that value differs', () => {
  fc.assert(
    fc.property(fc.json(), fc.boolean(), (compact, pretty) => {
      const source = pretty ? JSON.stringify(JSON.parse(compact), null, 1) : compact
      const leaves = jsonLeaves(source)
      for (const leaf of leaves) {
        expect(replaceLeaf(source, leaf, source.slice(leaf.start, leaf.end))).toBe(source)
        const changed = jsonLeaves(replaceLeaf(source, leaf, '"changed"'))
        expect(changed.map(({ path }) => path)).toEqual(leaves.map(({ path }) => path))
        expect(changed.filter(({ text }, index) => text !== leaves[index]?.text)).toHaveLength(
          leaf.text === 'changed' ? 0 : 1,
        )
      }
    }),
    { numRuns: 200 },
  )
})

-- The mark of a migration in this partition: `text` is set, or without one the mark is lifted. It is set also when the memory is full.
-- `where`: only where that stands now; an empty one is none. `is_other`: what is here is another store from now on: the name of another
-- server makes the next start give it a new incarnation (SEMANTICS 12). Gives what stands then.
local text, where, is_other = opt(ARGV[3]), opt(ARGV[4]), ARGV[5] == '1'
draining()
if not where or where == (HELD or '') then
  if text then R('HSET', META, 'held', text) else R('HDEL', META, 'held') end
  if is_other then R('HSET', P .. 'dataset', 'replid', '') end
end
return R('HGET', META, 'held')

-- The mark of a migration in this partition: set, lifted, or with nothing to set only read. It is set also when the memory is full.
-- `before`: it is set where that stands now and nothing else; an empty one is none.
local text, lift, before = opt(ARGV[3]), ARGV[4] == '1', opt(ARGV[5] or '')
draining()
if lift then R('HDEL', META, 'held') end
if text and (not before or before == (HELD or '')) then R('HSET', META, 'held', text) end
return R('HGET', META, 'held')

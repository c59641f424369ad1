-- The mark of a migration in this partition: set, lifted, or with nothing to set only read. It is set also when the memory is full.
local text, lift = opt(ARGV[3]), ARGV[4] == '1'
draining()
if lift then R('HDEL', META, 'held') end
if text then R('HSET', META, 'held', text) end
return R('HGET', META, 'held')

-- What all instances count together: of one key, for so long from its first.
local key = P .. 'rate:' .. ARGV[3]
local by = tonumber(ARGV[4])
local counted = R('INCRBY', key, by)
if counted == by then R('PEXPIRE', key, ARGV[5]) end
return { counted, R('PTTL', key) }

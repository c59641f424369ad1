-- Last good answers of all instances: what was put first goes first where there are too many, and nobody misses it.
local op, key = ARGV[3], P .. 'answer:' .. ARGV[4]
local ORDER, AT_ONCE = P .. 'answers', 32

if op == 'get' then
  local value, at = fields(key, 'v', 'at')
  if not value then return false end
  return { value, int(math.max(0, NOW - tonumber(at))) }
end

local value, age, most, bytes = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local before = tonumber(R('HGET', key, 'z') or '0')
local size = #value + #key + 100
R('HSET', key, 'v', value, 'at', int(NOW - age), 'z', size)
R('ZADD', ORDER, int(NOW), ARGV[4])
local total = R('HINCRBY', META, 'answers', size - before)
for _ = 1, AT_ONCE do
  if total <= bytes and R('ZCARD', ORDER) <= most then break end
  local oldest = R('ZPOPMIN', ORDER)[1]
  if not oldest then break end
  local gone = P .. 'answer:' .. oldest
  total = R('HINCRBY', META, 'answers', -tonumber(R('HGET', gone, 'z') or '0'))
  R('DEL', gone)
end
return true

-- Operation 11, value: compare-and-set of a small value, with an end of its life by the store's clock.
local name, expected, put, drop, ttl = ARGV[3], opt(ARGV[4]), opt(ARGV[5]), ARGV[6] == '1', tonumber(ARGV[7])
local fence, random = ARGV[8], ARGV[9]
local key = P .. 'value:' .. name
local value, version, expires = fields(key, 'v', 'ver', 'x')
if expires and tonumber(expires) <= NOW then value, version = false, false end
local is_expected = not expected or (expected == 'absent' and not version) or expected == version
local is_fenced = false
if fence ~= '0' then
  local lease = lease_of(fence)
  is_fenced = not (lease and is_live(lease, fence, random))
end
if not is_expected or is_fenced then return { 'conflict', value, version } end
if put then
  keep_time()
  local fresh = int(count('counter', 1))
  R('HSET', key, 'v', put, 'ver', fresh)
  if ttl then
    R('HSET', key, 'x', int(NOW + ttl))
    R('ZADD', P .. 'values', int(NOW + ttl), name)
  else
    R('HDEL', key, 'x')
    R('ZREM', P .. 'values', name)
  end
  -- Those whose time is over make room for it.
  for _, over in ipairs(R('ZRANGEBYSCORE', P .. 'values', '-inf', int(NOW), 'LIMIT', 0, 2)) do
    R('DEL', P .. 'value:' .. over)
    R('ZREM', P .. 'values', over)
  end
  return { 'ok', put, fresh }
end
if not drop then return { 'ok', value, version } end
R('DEL', key)
R('ZREM', P .. 'values', name)
return { 'ok', false, false }

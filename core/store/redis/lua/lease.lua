-- Operation 10, lease: acquire, renew, release. The counter never goes back.
local name, owner, ttl, release, random, partition = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == '1', ARGV[7], ARGV[8]
local key = P .. 'lease:' .. name
local holder, counter, word, expires = fields(key, 'owner', 'counter', 'random', 'expires')
expires = tonumber(expires or '0')
local live = holder and expires > NOW

local function drop()
  R('HDEL', P .. 'fences', counter)
  R('DEL', key)
  R('ZREM', P .. 'leases', name)
end

if release then
  if holder == owner then
    drop()
  elseif live then
    return { 'busy', int(expires - NOW) }
  end
  return { 'released' }
end
draining()
keep_time()
if holder == owner then
  -- Late, but nobody had it in between: the same fence goes on.
  R('HSET', key, 'expires', int(NOW + ttl))
  R('ZADD', P .. 'leases', int(NOW + ttl), name)
  return { 'held', counter, word, int(ttl) }
end
if live then return { 'busy', int(expires - NOW) } end
if holder then drop() end
local fresh = count('counter', 1)
R('HSET', key, 'owner', owner, 'counter', fresh, 'random', random, 'expires', int(NOW + ttl))
R('HSET', P .. 'fences', fresh, name)
R('ZADD', P .. 'leases', int(NOW + ttl), name)
-- A partition that changes hands leaves orphans behind: they are due at once.
if name == partition then
  for _, kind in ipairs({ 'message', 'push', 'claim', 'timer' }) do orphan(kind, 1000000) end
end
return { 'held', int(fresh), random, int(ttl) }

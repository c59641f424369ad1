-- Operation 6, hello: a device's numbers, refusals and cursor (SEMANTICS 12, 13, 14, 38).
local home, device, first, asked, offset, incarnation = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), ARGV[8]
local home_key, device_key, refused_key = P .. 'home:' .. home, P .. 'device:' .. device, P .. 'refused:' .. device
draining()
keep_time()
R('HSETNX', home_key, 'epoch', 1)
local before, top, oldest = fields(home_key, 'epoch', 'top', 'oldest')
top = tonumber(top or '0')
oldest = tonumber(oldest or '1')
local known, cursor = fields(device_key, 'last', 'cursor')
local last = tonumber(known or '0')
cursor = tonumber(cursor or '0')
-- SEMANTICS 13: the app has used numbers up that this store knows nothing of. Take its word, lest both wait for ever.
local jumped = math.max(0, first - 1 - last)
last = last + jumped
-- Of a boot it had known, the store has lost something: offsets given out since may be given out again.
local has_lost = known and jumped > 0
local epoch = has_lost and R('HINCRBY', home_key, 'epoch', 1) or before
local refused = {}
for _, name in ipairs(R('HKEYS', refused_key)) do
  local n = tonumber(name)
  if n and n < first then
    R('HDEL', refused_key, name, name .. 'i')
  elseif n then
    local code, id = fields(refused_key, name, name .. 'i')
    refused[#refused + 1] = { n, id, code }
  end
end
local why = ''
-- Without an epoch only 0 is a place in the inbox: its beginning.
if asked ~= '' or offset > 0 then
  if asked ~= incarnation .. '.' .. before then
    why = 'the cursor is of another epoch'
  elseif offset > top then
    why = 'offset ' .. int(offset) .. ' is beyond the top ' .. int(top)
  end
end
if why == '' and not has_lost then cursor = math.max(cursor, math.min(offset, top)) end
R('HSET', device_key, 'last', int(last), 'cursor', int(cursor), 'used', int(NOW))
R('ZADD', P .. 'devices', int(NOW), device)
local named = incarnation .. '.' .. epoch
if why ~= '' then return { 'reset', why, named, top, oldest } end
local recovered = not has_lost and offset + 1 >= oldest
return { 'welcome', named, top, oldest, last + 1, refused, recovered and 1 or 0, jumped }

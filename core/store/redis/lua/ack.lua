-- Operation 7, ack: a cursor only goes up, and never beyond the top (SEMANTICS 38).
local home, device, asked, offset, first, incarnation = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local device_key, refused_key = P .. 'device:' .. device, P .. 'refused:' .. device
local epoch, top = fields(P .. 'home:' .. home, 'epoch', 'top')
if not epoch or asked ~= incarnation .. '.' .. epoch or offset > tonumber(top or '0') then return { 'ahead' } end
local last, cursor = fields(device_key, 'last', 'cursor')
-- No hello made it known: nothing is kept for it, or a later hello would take it for a boot that lost numbers.
if not last then return { 'ok', offset } end
draining()
keep_time()
local raised = math.max(tonumber(cursor), offset)
R('HSET', device_key, 'cursor', int(raised), 'used', int(NOW))
R('ZADD', P .. 'devices', int(NOW), device)
if first then
  for _, name in ipairs(R('HKEYS', refused_key)) do
    local n = tonumber(name)
    if n and n < first then R('HDEL', refused_key, name, name .. 'i') end
  end
end
return { 'ok', raised }

-- While the data is being moved, and after it was moved away, nothing is read or written by what does not move it.
if HELD then return redis.error_reply('HELD ' .. HELD) end

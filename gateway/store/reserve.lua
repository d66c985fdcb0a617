-- Reserve money of a day for one call of a judge, and count the call.
--
-- KEYS  1  judge:spent:DAY  hash: nano_usd, what was spent and reserved; calls, how many were let through
-- ARGV  1  nano-dollars to reserve, 2  the most of a day, 3  the most calls of a day, 4  seconds that the day is kept
-- Returns 1 when it is reserved, 0 when it would go beyond the most.

local spent = tonumber(redis.call('HGET', KEYS[1], 'nano_usd') or '0')
local calls = tonumber(redis.call('HGET', KEYS[1], 'calls') or '0')
if spent + tonumber(ARGV[1]) > tonumber(ARGV[2]) or calls >= tonumber(ARGV[3]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'nano_usd', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'calls', 1)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1

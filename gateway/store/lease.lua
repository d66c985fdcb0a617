-- Take or keep the lease of an agent: who looks at its trial while all is quiet.
--
-- KEYS  1  lease  string: the replica that holds it, gone when it lapses
-- ARGV  1  replica, 2  milliseconds for which it holds from now on
-- Returns 1 when the replica holds it now, 0 when another one does.

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

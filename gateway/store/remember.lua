-- Remember which call answered each conversation of one caller last, for the latest conversations only.
--
-- KEYS  1  new  hash: conversation to call id
--       2  old  hash: likewise, what `new` held when it was full
-- ARGV  1  entries that `new` may hold, 2  seconds to keep both, then a conversation and a call id, again and again
-- A full `new` takes the place of `old`. So the last ARGV[1] conversations are known, and at most twice as many are kept.

local NEW, OLD = KEYS[1], KEYS[2]

for index = 3, #ARGV, 2 do
  if redis.call('HLEN', NEW) >= tonumber(ARGV[1]) then redis.call('RENAME', NEW, OLD) end
  redis.call('HSET', NEW, ARGV[index], ARGV[index + 1])
end
redis.call('EXPIRE', NEW, ARGV[2])
redis.call('EXPIRE', OLD, ARGV[2])

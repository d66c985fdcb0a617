-- Hold, settle or take over deliveries of one agent's handovers that a webhook is still to be told of.
--
-- KEYS  1  outbox, 2  claims, 3  outbox_bytes, as in escalate.lua
-- ARGV  1  "hold": this replica goes on delivering those of the digests that follow
--          "settle": nobody is to deliver those of the digests that follow any more
--          "take": return deliveries that no replica holds, and hold them
--       2  milliseconds for which they are held, 3  how many are taken at most, 4  milliseconds after which one that
--       nobody has taken is given up, then digests
-- Returns the entries that were taken.

local OUTBOX, CLAIMS, BYTES = KEYS[1], KEYS[2], KEYS[3]
local held_ms, most, oldest_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local taken = {}

local function hold(digest, since) redis.call('HSET', CLAIMS, digest, string.format('%.0f %s', now + held_ms, since)) end

local function settle(digest)
  local text = redis.call('HGET', OUTBOX, digest)
  if text then redis.call('DECRBY', BYTES, #text) end
  redis.call('HDEL', OUTBOX, digest)
  redis.call('HDEL', CLAIMS, digest)
end

for index = 5, #ARGV do
  local since = string.match(redis.call('HGET', CLAIMS, ARGV[index]) or '', ' (%d+)$')
  if ARGV[1] == 'settle' then settle(ARGV[index]) elseif since then hold(ARGV[index], since) end
end

local claims = ARGV[1] == 'take' and redis.call('HGETALL', CLAIMS) or {}
for index = 1, #claims, 2 do
  local ends, since = string.match(claims[index + 1], '^(%d+) (%d+)$')
  if tonumber(ends) <= now then
    local text = redis.call('HGET', OUTBOX, claims[index])
    if not text or now - tonumber(since) > oldest_ms then
      settle(claims[index])
    elseif #taken < most then
      hold(claims[index], since)
      taken[#taken + 1] = text
    end
  end
end

return taken

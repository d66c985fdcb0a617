-- Note which alerts fire now, and say which of them are to be told: each exactly once, over all replicas.
--
-- KEYS  1  alerts  hash by id: a JSON object of `state` (firing or quiet), `since`, `seen`, `told_at`, `is_told`, `times`
--                  and `said`
-- ARGV  1  JSON object:
--            firing  a list of id and description of each alert that fires here
--            window  seconds in which an alert is told once, hold  seconds unseen after which it is over
--            most    alerts that are kept, keep  seconds that they are kept
-- Returns a list of: 'firing' or 'over', id, how often it began since it was told, since when, description.

local KEY, given, time = KEYS[1], cjson.decode(ARGV[1]), redis.call('TIME')
local now = tonumber(time[1]) + math.floor(tonumber(time[2]) / 1000) / 1000
local changes, fires = {}, {}

local function tell(change, id, alert)
  local times, since = string.format('%d', alert.times), string.format('%.3f', alert.since)
  changes[#changes + 1] = {change, id, times, since, alert.said}
end

local function save(id, alert) redis.call('HSET', KEY, id, cjson.encode(alert)) end

for _, each in ipairs(given.firing) do
  local id, said = each[1], each[2]
  local text = redis.call('HGET', KEY, id)
  local alert = text and cjson.decode(text) or {state = 'quiet', times = 0, told_at = 0, is_told = false, since = 0}
  if text or redis.call('HLEN', KEY) < given.most then
    fires[id] = true
    if alert.state ~= 'firing' then
      alert.state, alert.since, alert.times, alert.is_told = 'firing', now, alert.times + 1, false
    end
    alert.seen, alert.said = now, said
    if not alert.is_told and now - alert.told_at >= given.window then
      tell('firing', id, alert)
      alert.told_at, alert.is_told, alert.times = now, true, 0
    end
    save(id, alert)
  end
end

local all = redis.call('HGETALL', KEY)
for index = 1, #all, 2 do
  local id, alert = all[index], cjson.decode(all[index + 1])
  if not fires[id] and now - alert.seen >= given.hold then
    if alert.state == 'firing' then
      alert.state = 'quiet'
      if alert.is_told then tell('over', id, alert) end
      save(id, alert)
    elseif now - alert.told_at >= given.window then
      redis.call('HDEL', KEY, id)
    end
  end
end
if #all > 0 then redis.call('EXPIRE', KEY, given.keep) end
return changes

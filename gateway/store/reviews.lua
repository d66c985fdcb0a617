-- Change what waits for people who review calls, and what they said.
--
-- KEYS  1  waiting  hash: a call's key to the call that waits, as JSON
--       2  labels   hash: a call's key to the call with its label, as JSON
-- ARGV  1  the operation, 2  its arguments, a JSON object; see each
-- Returns JSON. What is over is deleted wherever it is met.
--
-- A call has `ends` (Unix seconds), `turn` (its place in the queue), and, where somebody has it, `lease` and `held`, the
-- end of that. A label has besides `label`, `comment`, `by`, `labelled`, `counts_at`, `claimed` (the replica that counts it),
-- `claimed_at` and `counted`.

local WAITING, LABELS = KEYS[1], KEYS[2]
local CLAIMED_AT_ONCE = 50
local LOST = 3600 -- seconds after which a replica that has claimed a label and not settled it is gone
local given = cjson.decode(ARGV[2])
local second, microsecond = unpack(redis.call('TIME'))
local now = tonumber(second) + tonumber(microsecond) / 1000000
local operations = {}

local function decoded(key, text)
  local each = cjson.decode(text)
  each.key = key
  return each
end

local function read(hash)
  local flat, found = redis.call('HGETALL', hash), {}
  for index = 1, #flat, 2 do
    local each = decoded(flat[index], flat[index + 1])
    if each.ends > now then found[#found + 1] = each else redis.call('HDEL', hash, each.key) end
  end
  return found
end

local function find(hash, key)
  local text = redis.call('HGET', hash, key)
  local each = text and decoded(key, text)
  return each and each.ends > now and each or nil
end

local function write(hash, each)
  redis.call('HSET', hash, each.key, cjson.encode(each))
end

local function is_chosen(each) return #each.reasons > 1 or each.reasons[1] ~= 'sample' end

local function goes_before(one, other)
  if is_chosen(one) ~= is_chosen(other) then return is_chosen(one) end
  if one.turn ~= other.turn then return one.turn < other.turn end
  return one.key < other.key
end

local function in_order(hash)
  local found = read(hash)
  table.sort(found, goes_before)
  return found
end

local function of_lease(hash)
  local found = {}
  for _, each in ipairs(in_order(hash)) do
    if each.lease == given.lease then found[#found + 1] = each end
  end
  return found
end

local function trim(hash, most, may_go)
  local count = redis.call('HLEN', hash)
  if count <= most then return end
  local found = read(hash)
  table.sort(found, function(one, other)
    if hash == WAITING and is_chosen(one) ~= is_chosen(other) then return is_chosen(other) end
    return (one.labelled or one.at) < (other.labelled or other.at)
  end)
  local left = #found
  for _, each in ipairs(found) do
    if left <= most then break end
    if may_go(each) then
      redis.call('HDEL', hash, each.key)
      left = left - 1
    end
  end
end

local function show_lease()
  local reviews = of_lease(WAITING)
  return {reviews = reviews, labels = of_lease(LABELS), held = reviews[1] and reviews[1].held or 0, now = now}
end

local function hold(each)
  each.lease, each.held = given.lease, now + given.seconds
  write(WAITING, each)
end

-- reviews: calls, seconds and most: the bounds
function operations.add()
  for _, each in ipairs(given.reviews) do
    local known = find(WAITING, each.key)
    if known then
      local has = {}
      for _, reason in ipairs(known.reasons) do has[reason] = true end
      for _, reason in ipairs(each.reasons) do
        if not has[reason] then known.reasons[#known.reasons + 1] = reason end
      end
      write(WAITING, known)
    elseif not find(LABELS, each.key) and each.at + given.seconds > now then
      each.ends, each.turn, each.lease, each.held = each.at + given.seconds, each.at, '', 0
      write(WAITING, each)
    end
  end
  trim(WAITING, given.most, function(each) return each.held <= now end)
  redis.call('EXPIRE', WAITING, given.seconds)
  return {}
end

-- lease, seconds, keys: just these, or the next one
function operations.lease()
  if #of_lease(WAITING) > 0 then return show_lease() end
  if #given.keys == 0 then
    for _, each in ipairs(in_order(WAITING)) do
      if each.held <= now then
        hold(each)
        break
      end
    end
    return show_lease()
  end
  local wanted = {}
  for _, key in ipairs(given.keys) do
    local each = find(WAITING, key)
    if not each or each.held > now then return show_lease() end
    wanted[#wanted + 1] = each
  end
  for _, each in ipairs(wanted) do hold(each) end
  return show_lease()
end

-- lease
operations.show = show_lease

-- lease, labels: {key: [label, comment]}, by, delay, most
function operations.label()
  local found, is_repeated = {}, true
  for key in pairs(given.labels) do
    local label, each = find(LABELS, key), find(WAITING, key)
    if label and label.lease ~= given.lease then return {labelling = 'taken'} end
    if not label then
      is_repeated = false
      if not each then return {labelling = 'gone'} end
      if each.lease ~= given.lease then return {labelling = 'taken'} end
      found[#found + 1] = each
    end
  end
  if is_repeated then return {labelling = 'repeated'} end
  for _, each in ipairs(found) do
    each.label, each.comment = given.labels[each.key][1], given.labels[each.key][2]
    each.by, each.labelled, each.counts_at, each.claimed, each.counted = given.by, now, now + given.delay, '', ''
    write(LABELS, each)
    redis.call('HDEL', WAITING, each.key)
  end
  trim(LABELS, given.most, function() return true end)
  local longest = 0
  for _, each in ipairs(read(LABELS)) do longest = math.max(longest, each.ends - now) end
  redis.call('EXPIRE', LABELS, math.ceil(longest) + 1)
  return {labelling = 'labelled'}
end

-- lease, pause
function operations.release()
  for _, each in ipairs(of_lease(WAITING)) do
    each.lease, each.held, each.turn = '', now + given.pause, now
    write(WAITING, each)
  end
  return {}
end

-- lease, seconds
function operations.undo()
  local count = 0
  for _, each in ipairs(of_lease(LABELS)) do
    if each.claimed == '' and each.counts_at > now then
      redis.call('HDEL', LABELS, each.key)
      for _, name in ipairs({'label', 'comment', 'by', 'labelled', 'counts_at', 'claimed', 'counted'}) do each[name] = nil end
      hold(each)
      redis.call('EXPIRE', WAITING, math.ceil(each.ends - now) + 1)
      count = count + 1
    end
  end
  return {count = count}
end

-- replica
function operations.claim()
  local found = {}
  for _, each in ipairs(read(LABELS)) do
    if each.counted == '' and each.claimed ~= '' and each.claimed ~= given.replica and each.claimed_at + LOST < now then
      each.counted = 'not known: the gateway that counted it has ended'
      write(LABELS, each)
    end
    local is_due = each.counted == '' and each.counts_at <= now
    if is_due and (each.claimed == '' or each.claimed == given.replica) and #found < CLAIMED_AT_ONCE then
      each.claimed, each.claimed_at = given.replica, now
      write(LABELS, each)
      found[#found + 1] = each
    end
  end
  read(WAITING)
  return {labels = found}
end

-- counted: {key: what became of it}
function operations.settle()
  for key, counted in pairs(given.counted) do
    local each = find(LABELS, key)
    if each then
      each.counted = counted
      write(LABELS, each)
    end
  end
  return {}
end

-- keys, threads
function operations.forget()
  local gone = {}
  for _, name in ipairs(given.keys) do gone[name] = true end
  for _, name in ipairs(given.threads) do gone[name] = true end
  for _, hash in ipairs(KEYS) do
    for _, each in ipairs(read(hash)) do
      if gone[each.key] or gone[each.thread] then redis.call('HDEL', hash, each.key) end
    end
  end
  return {}
end

return cjson.encode(operations[ARGV[1]]())

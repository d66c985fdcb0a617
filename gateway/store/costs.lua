-- Keep what calls have cost, by day: a part that is put before the scripts which use it.
--
-- `open` is a hash, the running day: `day` is its number, `rows` how many rows it has, <row>|<place> the sums of a row, which is
-- JSON: [version, caller, target, part]. <version>|n, |sum, |squares and |h<bucket> are its conversations, as what
-- each has cost grew: the sum in nano-USD, squares in micro-USD, a bucket COARSE_GAMMA times as wide as the one below. `top`
-- is JSON, the dearest conversations: a list of [conversation, version, nano-USD, the latest call's id].
-- `ended` is a hash, the days that have ended, each as JSON: {rows: list of sums by row, sums: those of conversations by field, top}.
-- `new` and `old` are what each conversation has cost so far; a full `new` takes the place of `old`.

local DAY, KEPT_DAYS = 24 * 3600, 400
local COST_SECONDS = (KEPT_DAYS + 1) * DAY
local PLACES_OF_ROW = 8
local MOST_ROWS = 64 -- of a day; what would be one more is counted in the row of all others of its caller
local MOST_OTHER_ROWS = 64 -- beside them; more callers' others are counted under OTHER_ROW
local OTHER_ROW = '["/other","","",""]'
local MOST_CONVERSATIONS, CONVERSATION_SECONDS, MOST_TOP = 10000, DAY, 10
local LOG_COARSE_GAMMA = 4 * math.log(1.04)
local MICRO = 1000 -- nano-USD

local function keep_costs(keys, now, costs, add)
  local open, ended, new, old = unpack(keys)
  local today = math.floor(now / DAY)
  local day = tonumber(redis.call('HGET', open, 'day') or '')

  local function put(number, rows, sums, top)
    if math.abs(today - number) >= KEPT_DAYS then return end
    local field = string.format('%d', number)
    local held = cjson.decode(redis.call('HGET', ended, field) or '{"rows":{},"sums":{}}')
    for row, amounts in pairs(rows) do
      local total = held.rows[row] or {}
      for place = 1, math.max(#total, PLACES_OF_ROW) do total[place] = (total[place] or 0) + (amounts[place] or 0) end
      held.rows[row] = total
    end
    for name, amount in pairs(sums) do held.sums[name] = (held.sums[name] or 0) + amount end
    if top then held.top = top end
    redis.call('HSET', ended, field, cjson.encode(held))
  end

  local function close()
    local rows, sums, top, fields = {}, {}, nil, redis.call('HGETALL', open)
    for index = 1, #fields, 2 do
      local row, place = string.match(fields[index], '^(%[.*)|(%d+)$')
      if row then
        rows[row] = rows[row] or {}
        rows[row][tonumber(place)] = tonumber(fields[index + 1])
      elseif fields[index] == 'top' then
        top = cjson.decode(fields[index + 1])
      elseif fields[index] ~= 'day' and fields[index] ~= 'rows' then
        sums[fields[index]] = tonumber(fields[index + 1])
      end
    end
    put(day, rows, sums, top)
    redis.call('DEL', open)
    local days = redis.call('HGETALL', ended)
    for index = 1, #days, 2 do
      if math.abs(today - days[index]) >= KEPT_DAYS then redis.call('HDEL', ended, days[index]) end
    end
  end

  local function is_new(row) return not redis.call('HGET', open, row .. '|1') end

  local function is_room(most) return tonumber(redis.call('HGET', open, 'rows') or '0') < most end

  local function other_row(row)
    -- Written as the gateway does: cjson escapes a slash.
    return (string.gsub(cjson.encode({'/other', cjson.decode(row)[2], '', ''}), '\\/', '/'))
  end

  local function add_row(row, amounts)
    if is_new(row) then
      if not is_room(MOST_ROWS) then row = other_row(row) end
      if is_new(row) and not is_room(MOST_ROWS + MOST_OTHER_ROWS) then row = OTHER_ROW end
      if is_new(row) then redis.call('HINCRBY', open, 'rows', 1) end
    end
    for place, amount in ipairs(amounts) do
      if place == 1 or amount ~= '0' then add(open, row .. '|' .. place, amount) end
    end
  end

  local function add_spread(version, before, after)
    local function bucket(nano) return string.format('%s|h%d', version, math.ceil(math.log(nano) / LOG_COARSE_GAMMA)) end
    local squares = math.floor(after / MICRO) ^ 2 - math.floor(before / MICRO) ^ 2
    add(open, version .. '|sum', string.format('%.0f', after - before))
    add(open, version .. '|squares', string.format('%.0f', squares))
    if before > 0 then add(open, bucket(before), -1) end
    if after > 0 then add(open, bucket(after), 1) end
  end

  local top
  local function note_top(conversation, version, nano, call)
    local entry, least = {conversation, version, nano, call}, 1
    for index, held in ipairs(top) do
      if held[1] == conversation and held[2] == version then
        top[index] = entry
        return
      end
      if held[3] < top[least][3] then least = index end
    end
    if #top < MOST_TOP then
      top[#top + 1] = entry
    elseif nano > top[least][3] then
      top[least] = entry
    end
  end

  local function add_conversation(version, conversation, nano, call)
    local name = version .. ' ' .. conversation
    local held = redis.call('HGET', new, name)
    local before = tonumber(held or redis.call('HGET', old, name) or '0')
    if not held and redis.call('HLEN', new) >= MOST_CONVERSATIONS then redis.call('RENAME', new, old) end
    redis.call('HSET', new, name, string.format('%.0f', before + nano))
    if not held and before == 0 then add(open, version .. '|n', 1) end
    add_spread(version, before, before + nano)
    note_top(conversation, version, before + nano, call)
  end

  for _, cost in ipairs(costs) do
    local age, rows = unpack(cost)
    local number = math.floor((now - age) / DAY)
    if number ~= day and (not day or number > day or day > today) then
      if day then close() end
      redis.call('HSET', open, 'day', string.format('%d', number))
      day = number
    end
    for _, row in ipairs(rows) do
      if number == day then
        add_row(row[1], row[2])
      else
        local amounts = {}
        for place, amount in ipairs(row[2]) do amounts[place] = tonumber(amount) end
        put(number, {[row[1]] = amounts}, {})
      end
    end
  end
  -- What a conversation costs is counted on the running day, however late its call comes.
  top = cjson.decode(redis.call('HGET', open, 'top') or '[]')
  for _, cost in ipairs(costs) do
    for _, each in ipairs(cost[3]) do add_conversation(unpack(each)) end
  end
  if #top > 0 then redis.call('HSET', open, 'top', cjson.encode(top)) end
  redis.call('EXPIRE', open, COST_SECONDS)
  redis.call('EXPIRE', ended, COST_SECONDS)
  redis.call('EXPIRE', new, CONVERSATION_SECONDS)
  redis.call('EXPIRE', old, CONVERSATION_SECONDS)
end


-- Keep sums by interval of time: a part that is put before the scripts which use it.
--
-- `open` is a hash, the sums of the running interval of 10 seconds: `interval` is its number, and <series>|<field> are
-- the sums; a series is <tally key>|<arm>. `ended` is a hash, the intervals that have ended, as <seconds>:<number> for each
-- of LENGTHS. Its values are JSON, a list of cells: [series, sums in the order of SUMS, latency, ttft, failures by kind,
-- calls by behaviour], the last only where there are any.
-- A histogram is text: its first bucket, a space, and the counts from there on, of one character each below DIGITS, else
-- of two, four or seven. A bucket is COARSE of the tally's. `opened` in `ended` is the number of the running interval, so that
-- each new one deletes what has become too old. No clock but the store's has a part in it: a sum comes with its age.

local LENGTHS = {{10, 366}, {60, 1566}, {300, 318}, {3600, 746}} -- seconds, and how many intervals are kept
local SUMS = {
  'requests', 'errors', 'unjudged', 'rejected', 'fallbacks', 'escalations', 'input_tokens', 'cached_tokens',
  'output_tokens', 'reasoning_tokens', 'cost_nano_usd', 'unpriced', 'scores', 'badness', 'units',
  'unanswered',
}
local PLACES = {}
for place, name in ipairs(SUMS) do PLACES[name] = place end
local MOST_SERIES = 24 -- of one interval; what would be one more is counted under OTHER
local OTHER = '/other|'
local SHORTEST = LENGTHS[1][1]
local COARSE = 4
local DIGITS, FIRST_DIGIT, FIRST_LEAD, LEADS = 52, 40, 93, 30
local LONG = {[125] = 3, [126] = 6} -- how many digits follow these leads
local HISTORY_SECONDS = 32 * 24 * 3600 -- without a call, after which nothing is left

-- Add a sum under the name that the tally has for it; what no curve shows is left out.
local function add_to_cell(cell, field, amount)
  local place = PLACES[field]
  if place then
    cell.sums[place] = (cell.sums[place] or 0) + amount
    return
  end
  local name, index = string.match(field, '^(%a+):(.+)$')
  if name == 'failures' or name == 'behaviours' then
    cell[name][index] = (cell[name][index] or 0) + amount
  elseif name == 'latency' or name == 'ttft' then
    local bucket = math.ceil(tonumber(index) / COARSE)
    cell[name][bucket] = (cell[name][bucket] or 0) + amount
  end
end

local function new_cell() return {sums = {}, latency = {}, ttft = {}, failures = {}, behaviours = {}} end

local function add_cell(cells, series, cell)
  local sum = cells.of[series]
  if not sum and #cells.order >= MOST_SERIES then
    series = OTHER
    sum = cells.of[series]
  end
  if not sum then
    sum = new_cell()
    cells.of[series] = sum
    cells.order[#cells.order + 1] = series
  end
  for _, kind in ipairs({'sums', 'latency', 'ttft', 'failures', 'behaviours'}) do
    for index, amount in pairs(cell[kind]) do sum[kind][index] = (sum[kind][index] or 0) + amount end
  end
end

local function read_histogram(text)
  local histogram, at, last = {}, string.match(text, '^(%S+) ()')
  local bucket = tonumber(at)
  while bucket and last <= #text do
    local lead, count = string.byte(text, last), 0
    local first, digits = last, 1
    if LONG[lead] then
      first, digits = last + 1, LONG[lead]
    elseif lead >= FIRST_LEAD then
      first, count = last + 1, lead - FIRST_LEAD + 1
    end
    for place = first, first + digits - 1 do count = count * DIGITS + string.byte(text, place) - FIRST_DIGIT end
    if count > 0 then histogram[bucket] = count end
    bucket, last = bucket + 1, first + digits
  end
  return histogram
end

local function read_cells(text)
  local cells = {order = {}, of = {}}
  for _, row in ipairs(text and cjson.decode(text) or {}) do
    cells.order[#cells.order + 1] = row[1]
    cells.of[row[1]] = {
      sums = row[2], latency = read_histogram(row[3]), ttft = read_histogram(row[4]), failures = row[5],
      behaviours = row[6] or {},
    }
  end
  return cells
end

local function list_of(first, last, numbers)
  local texts = {}
  for index = first, last do texts[#texts + 1] = string.format('%.0f', numbers[index] or 0) end
  return texts
end

local function write_count(count)
  if count < DIGITS then return string.char(FIRST_DIGIT + count) end
  if count < DIGITS * (LEADS + 1) then
    return string.char(FIRST_LEAD + math.floor(count / DIGITS) - 1, FIRST_DIGIT + count % DIGITS)
  end
  local lead, digits = count < DIGITS ^ LONG[125] and 125 or 126, {}
  for place = LONG[lead], 1, -1 do
    digits[place] = FIRST_DIGIT + count % DIGITS
    count = math.floor(count / DIGITS)
  end
  return string.char(lead, unpack(digits))
end

local function write_histogram(histogram)
  local first, last, texts = nil, nil, {}
  for index in pairs(histogram) do
    first, last = math.min(first or index, index), math.max(last or index, index)
  end
  if not first then return '""' end
  for index = first, last do texts[#texts + 1] = write_count(histogram[index] or 0) end
  return '"' .. first .. ' ' .. table.concat(texts) .. '"' -- none of its characters is escaped in JSON
end

local function write_counts(counts)
  local texts = {}
  for name, count in pairs(counts) do texts[#texts + 1] = cjson.encode(name) .. ':' .. string.format('%.0f', count) end
  return '{' .. table.concat(texts, ',') .. '}'
end

-- By hand, for cjson writes numbers with 14 digits, and an empty list as an object.
local function write_cells(cells)
  local rows = {}
  for index, series in ipairs(cells.order) do
    local cell, last = cells.of[series], 0
    for place in pairs(cell.sums) do last = math.max(last, place) end
    rows[index] = '[' .. table.concat({
      cjson.encode(series), '[' .. table.concat(list_of(1, last, cell.sums), ',') .. ']',
      write_histogram(cell.latency), write_histogram(cell.ttft), write_counts(cell.failures),
      next(cell.behaviours) and write_counts(cell.behaviours) or nil,
    }, ',') .. ']'
  end
  return '[' .. table.concat(rows, ',') .. ']'
end

-- Delete what is too old now. A clock that has gone far back leaves intervals ahead of it, as many as are kept behind it.
local function trim(ended, opened, number)
  if opened and number >= opened then
    for _, length in ipairs(LENGTHS) do
      local ratio, kept = length[1] / SHORTEST, length[2]
      local last = math.floor(number / ratio) - kept
      for index = math.max(math.floor(opened / ratio) - kept, last - kept) + 1, last do
        redis.call('HDEL', ended, length[1] .. ':' .. string.format('%d', index))
      end
    end
    return
  end
  local fields = redis.call('HGETALL', ended)
  for index = 1, #fields, 2 do
    local seconds, at = string.match(fields[index], '^(%d+):(-?%d+)$')
    for _, length in ipairs(LENGTHS) do
      if tonumber(seconds) == length[1] and math.abs(math.floor(number * SHORTEST / length[1]) - at) >= length[2] then
        redis.call('HDEL', ended, fields[index])
      end
    end
  end
end

-- Add a batch's sums, each {age in seconds, tally key, arm, list of fields, list of amounts}, the oldest first.
local function keep_history(open, ended, now, sums, add)
  local changed, running = {}, tonumber(redis.call('HGET', open, 'interval') or '')

  local function put(number, series, cell)
    for _, length in ipairs(LENGTHS) do
      local at = math.floor(number * SHORTEST / length[1])
      if math.abs(math.floor(now / length[1]) - at) < length[2] then
        local field = length[1] .. ':' .. string.format('%d', at)
        changed[field] = changed[field] or read_cells(redis.call('HGET', ended, field))
        add_cell(changed[field], series, cell)
      end
    end
  end

  local function close()
    local cells, fields = {}, redis.call('HGETALL', open)
    for index = 1, #fields, 2 do
      local series, field = string.match(fields[index], '^([^|]*|[^|]*)|(.*)$')
      if series then
        cells[series] = cells[series] or new_cell()
        add_to_cell(cells[series], field, tonumber(fields[index + 1]))
      end
    end
    for series, cell in pairs(cells) do put(running, series, cell) end
    redis.call('DEL', open)
  end

  for _, sum in ipairs(sums) do
    local age, key, arm, fields, amounts = unpack(sum)
    local number, series = math.floor((now - age) / SHORTEST), key .. '|' .. arm
    if running and number < running and now - running * SHORTEST >= 0 then
      local cell = new_cell()
      for index, field in ipairs(fields) do add_to_cell(cell, field, tonumber(amounts[index])) end
      put(number, series, cell)
    else
      if number ~= running then
        if running then close() end
        trim(ended, tonumber(redis.call('HGET', ended, 'opened') or ''), number)
        redis.call('HSET', open, 'interval', string.format('%d', number))
        redis.call('HSET', ended, 'opened', string.format('%d', number))
        running = number
      end
      for index, field in ipairs(fields) do add(open, series .. '|' .. field, amounts[index]) end
    end
  end
  for field, cells in pairs(changed) do redis.call('HSET', ended, field, write_cells(cells)) end
  redis.call('EXPIRE', open, HISTORY_SECONDS)
  redis.call('EXPIRE', ended, HISTORY_SECONDS)
end


import { awayMs } from './shared.ts';

/**
 * What runs inside Redis: each script is one step that is done whole or not at all, by the server's clock.
 *
 * Six keys under one hash tag, so that a Cluster keeps them together:
 * `meta` (hash: `id` of the store, `rev`ision, `run` id of the server, when somebody was `seen` last, `trimmed`),
 * `data` (hash: key -> revision, lease, value), `keys` (sorted set of the keys, for ranges),
 * `log` (stream of commits, an entry's id is its revision), `leases` (sorted set: lease -> when it runs out),
 * `held` (hash: lease -> its time and its keys).
 */
export const redisKeys = ['meta', 'data', 'keys', 'log', 'leases', 'held'].map((name) => `{podroute}:${name}`);

/** Revisions that are left out when the server is another one than before: it may have lost its last writes. */
const jump = 1_000_000;

/**
 * Common to all: makes the store where there is none, notices that the server restarted or changed, ends leases that ran out.
 * ARGV: 1 an id for a new store, 2 revisions of history to keep. On a replica, which takes no writes, it changes nothing.
 */
const prelude = `
local META, DATA, KEYS_, LOG, LEASES, HELD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
-- Higher than any revision that a store before this one gave out.
local first = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function num(n) return string.format('%.0f', n) end
local id, rev, trimmed
local function record(changes, server_changed)
  local before = rev
  rev = rev + (server_changed and ${jump} or 1)
  redis.call('XADD', LOG, num(rev) .. '-0', 'p', num(before), 's', server_changed and '1' or '0', 'c', cjson.encode(changes))
  redis.call('HSET', META, 'rev', num(rev))
  if redis.call('XLEN', LOG) > tonumber(ARGV[2]) then
    local first = redis.call('XRANGE', LOG, '-', '+', 'COUNT', 1)[1]
    trimmed = tonumber(string.match(first[1], '^%d+'))
    redis.call('XDEL', LOG, first[1])
    redis.call('HSET', META, 'trimmed', num(trimmed))
  end
end
local function read(key)
  local text = redis.call('HGET', DATA, key)
  if not text then return nil end
  local r, l, at = string.match(text, '^(%d+) (%S+) ()')
  return r, l, string.sub(text, at)
end
local function forget(key)
  redis.call('HDEL', DATA, key)
  redis.call('ZREM', KEYS_, key)
end
local function finish(lease, changes)
  local held = redis.call('HGET', HELD, lease)
  if held then
    local keys = {}
    for key, _ in pairs(cjson.decode(held).keys) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do
      local _, l = read(key)
      if l == lease then
        forget(key)
        changes[#changes + 1] = { 'd', key }
      end
    end
  end
  redis.call('ZREM', LEASES, lease)
  redis.call('HDEL', HELD, lease)
end
local function renew()
  for _, lease in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
    redis.call('ZADD', LEASES, num(now + cjson.decode(redis.call('HGET', HELD, lease)).ttl), lease)
  end
end
local function prepare()
  local meta = redis.call('HMGET', META, 'id', 'rev', 'run', 'seen', 'trimmed')
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  if not meta[1] then
    id, rev, trimmed = ARGV[1], first, first
    local made = redis.pcall('HSET', META, 'id', id, 'rev', num(rev), 'run', run, 'seen', num(now), 'trimmed', num(rev))
    if type(made) == 'table' and made.err then return made end
    redis.call('DEL', DATA, KEYS_, LOG, LEASES, HELD)
    return nil
  end
  id, rev, trimmed = meta[1], tonumber(meta[2]), tonumber(meta[5])
  local seen = tonumber(meta[4])
  local is_news = meta[3] ~= run
  if is_news or math.abs(now - seen) > 1000 then
    local noted = redis.pcall('HSET', META, 'run', run, 'seen', num(now))
    if type(noted) == 'table' and noted.err then return noted end
  end
  if is_news then record({}, true) end
  if is_news or math.abs(now - seen) > ${awayMs} then
    renew()
    return nil
  end
  local due = redis.call('ZRANGEBYSCORE', LEASES, '-inf', num(now))
  if #due == 0 then return nil end
  local changes = {}
  for _, lease in ipairs(due) do finish(lease, changes) end
  if #changes > 0 then record(changes, false) end
  return nil
end
local refused = prepare()
`;

/** For scripts that change something: a server that takes no writes says so. */
const mustWrite = 'if refused then return refused end\n';

/** The reply of a read of the latest state begins with these two. A replica of an empty store has neither. */
const position = 'num(rev or 0)';

export const scripts = {
  /** ARGV 3: a key. @returns store id, revision, and of the entry its revision, lease, value */
  get: `${prelude}
local r, l, v = read(ARGV[3])
if not r then return { id, ${position} } end
return { id, ${position}, r, l, v }`,

  /** ARGV 3: first key, 4: behind the last. @returns store id, revision, then key, revision, lease, value of each entry */
  list: `${prelude}
local result = { id or '', ${position} }
for _, key in ipairs(redis.call('ZRANGE', KEYS_, '[' .. ARGV[3], '(' .. ARGV[4], 'BYLEX')) do
  local r, l, v = read(key)
  if r then
    local n = #result
    result[n + 1], result[n + 2], result[n + 3], result[n + 4] = key, r, l, v
  end
end
return result`,

  /**
   * ARGV 3: JSON of steps `[type, key, expect, value, lease]`.
   * @returns `ok` and the revision, `no-lease` and the lease, or `conflict`, the number of the step and what is there
   */
  commit: `${prelude}${mustWrite}
local steps = cjson.decode(ARGV[3])
for i, step in ipairs(steps) do
  local r, l, v = read(step[2])
  if (r or 'absent') ~= step[3] then
    if not r then return { 'conflict', num(i - 1) } end
    return { 'conflict', num(i - 1), r, l, v }
  end
end
for _, step in ipairs(steps) do
  if step[1] == 'put' and step[5] ~= '-' and not redis.call('ZSCORE', LEASES, step[5]) then
    return { 'no-lease', step[5] }
  end
end
local changes = {}
for _, step in ipairs(steps) do
  local key = step[2]
  if step[1] == 'delete' then
    forget(key)
    changes[#changes + 1] = { 'd', key }
  elseif step[1] == 'put' then
    redis.call('HSET', DATA, key, num(rev + 1) .. ' ' .. step[5] .. ' ' .. step[4])
    redis.call('ZADD', KEYS_, 0, key)
    if step[5] ~= '-' then
      local held = cjson.decode(redis.call('HGET', HELD, step[5]))
      held.keys[key] = true
      redis.call('HSET', HELD, step[5], cjson.encode(held))
    end
    changes[#changes + 1] = { 'p', key, step[5], step[4] }
  end
end
if #changes > 0 then record(changes, false) end
return { 'ok', num(rev) }`,

  /** ARGV 3: name of the lease, 4: its time in ms. */
  grant: `${prelude}${mustWrite}
redis.call('ZADD', LEASES, num(now + tonumber(ARGV[4])), ARGV[3])
redis.call('HSET', HELD, ARGV[3], '{"ttl":' .. ARGV[4] .. ',"keys":{}}')
return { 'ok' }`,

  /** ARGV 3: the lease. */
  keepAlive: `${prelude}${mustWrite}
local held = redis.call('HGET', HELD, ARGV[3])
if not held then return { 'no-lease', ARGV[3] } end
redis.call('ZADD', LEASES, num(now + cjson.decode(held).ttl), ARGV[3])
return { 'ok' }`,

  /** ARGV 3: the lease. */
  revoke: `${prelude}${mustWrite}
local changes = {}
finish(ARGV[3], changes)
if #changes > 0 then record(changes, false) end
return { 'ok' }`,

  /**
   * ARGV 3: store id, 4: revision, 5: commits at most.
   * @returns `none`, `lost`, `resync`, or `changes` and then revision and JSON of each commit after that revision
   */
  changes: `${prelude}
if id ~= ARGV[3] then return { 'lost' } end
local from = tonumber(ARGV[4])
if from == rev then return { 'none' } end
if from > rev or from < trimmed then return { 'resync' } end
local result = { 'changes' }
local before = from
for _, entry in ipairs(redis.call('XRANGE', LOG, num(from + 1) .. '-0', '+', 'COUNT', tonumber(ARGV[5]))) do
  local fields = entry[2]
  if tonumber(fields[2]) ~= before or fields[4] == '1' then
    if #result == 1 then return { 'resync' } end
    return result
  end
  local revision = string.match(entry[1], '^%d+')
  result[#result + 1] = revision
  result[#result + 1] = fields[6]
  before = tonumber(revision)
end
if #result == 1 then return { 'resync' } end
return result`,
} as const;

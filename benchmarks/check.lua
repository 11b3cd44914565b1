-- One check of a new call per request, over so many accounts, as the platform would send it.
local sent = 0
local run = 0
local last = tonumber(os.getenv("RINGFENCE_BENCH_ACCOUNTS") or "1000") - 1

function init(arguments)
  math.randomseed(os.time() + (tonumber(tostring({}):sub(8), 16) or 0) % 1000000)
  run = math.random(1, 1000000000)
end

local headers = {
  ["Authorization"] = "Bearer " .. os.getenv("RINGFENCE_PLATFORM_KEY"),
  ["Content-Type"] = "application/json",
}

function request()
  sent = sent + 1
  local body = string.format(
    '{"account_id":"acct-%06d","call_id":"c%d-%d","direction":"outbound","from":"+15550100","to":"+4930123456","seconds":600}',
    math.random(0, last), run, sent)
  return wrk.format("POST", "/v1/checks/call", headers, body)
end

function done(summary, latency, requests)
  io.write(string.format("microseconds %d %d %d\n", latency:percentile(50.0), latency:percentile(99.0), latency:percentile(99.9)))
end

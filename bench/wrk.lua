-- Presents a token drawn at random with each request, and prints what the report needs on one line of JSON.
-- Environment: BENCH_TOKENS, a file with one token a line; BENCH_BODY, for POST, with TOKEN where the token goes.
local ready, count, headers = {}, 0, {}

function init(args)
  math.randomseed(os.time() + 7919 * #args)
  local file, body = os.getenv("BENCH_TOKENS"), os.getenv("BENCH_BODY")
  if file == nil then
    return
  end
  for line in io.lines(file) do
    count = count + 1
    if body then
      headers["Content-Type"] = "application/x-www-form-urlencoded"
      ready[count] = wrk.format("POST", nil, headers, (body:gsub("TOKEN", line)))
    else
      headers["Authorization"] = "Bearer " .. line
      ready[count] = wrk.format("GET", nil, headers, nil)
    end
  end
  request = function()
    return ready[math.random(count)]
  end
end

function done(summary, latency, requests)
  local wrong = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %.3f, "p99": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status, wrong))
end

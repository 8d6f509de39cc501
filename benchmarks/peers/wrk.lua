-- wrk -s wrk.lua URL -- BODY_FILE 'Name: value'…: POSTs the file again and again; the last line of output is JSON.
local message

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method, wrk.body = "POST", file:read("*a")
  file:close()
  for i = 2, #args do
    local name, value = args[i]:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
  end
  message = wrk.format()
end

function request()
  return message
end

function done(summary, latency)
  local errors = summary.errors
  -- Times in microseconds, as wrk has them. `status` counts answers of 400 and above.
  print(string.format(
    '{"duration_us": %d, "requests": %d, "bytes": %d, "mean_us": %.1f, "max_us": %d, '
      .. '"p50_us": %d, "p90_us": %d, "p99_us": %d, "p99_9_us": %d, '
      .. '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}',
    summary.duration, summary.requests, summary.bytes, latency.mean, latency.max,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end

-- wrk: a JSON request of 1 KB as OpenAI's Python client sends it; the result as one line of JSON.
local head = '{"model":"gpt-oss-120b","messages":[{"role":"user","content":"'
local tail = '"}]}'
wrk.method = "POST"
wrk.body = head .. string.rep("a", 1024 - #head - #tail) .. tail
wrk.headers = {
  ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY"),
  ["Content-Type"] = "application/json",
  ["Accept"] = "application/json",
  ["Accept-Encoding"] = "gzip, deflate",
  ["User-Agent"] = "OpenAI/Python 1.54.0",
  ["X-Stainless-Lang"] = "python",
  ["X-Stainless-Package-Version"] = "1.54.0",
  ["X-Stainless-OS"] = "Linux",
  ["X-Stainless-Arch"] = "x64",
  ["X-Stainless-Runtime"] = "CPython",
  ["X-Stainless-Runtime-Version"] = "3.12.3",
  ["X-Stainless-Async"] = "false",
}
if os.getenv("BENCH_CLOSE") then wrk.headers["Connection"] = "close" end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "rate": %f, "p50": %f, "p99": %f, "errors": %d}\n',
    summary.requests, summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end

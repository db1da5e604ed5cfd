-- What wrk prints at its end: requests, seconds, failures, and the 50th and 99th percentile in milliseconds.
function done(summary, latency, requests)
    local errors = summary.errors
    local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    print(string.format("figures %d %f %d %f %f", summary.requests, summary.duration / 1e6, failures,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end

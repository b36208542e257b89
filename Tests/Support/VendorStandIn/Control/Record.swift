/// What one request did, as a test may want to know it. Times are microseconds since the start.
struct Record: Sendable {
  var number = 0
  var method: Bytes = []
  var path: Bytes = []
  var query: Bytes = []
  var headers: [HeaderField] = []
  var bodyBytes: Int?
  var bodyDigest: Bytes?
  var model: Bytes?
  var cacheSalt: Bytes?
  var isStream = false
  var headAt = 0
  var bodyFirstAt: Int?
  var bodyLastAt: Int?
  var upstreamAt: Int?
  var endAt: Int?
  var upstreamRuns = 0
  var status: Int?
  var faults: [Bytes] = []
  var didClientLeave = false
  /// The answer went out whole: a unary body, or a stream with its end marker.
  var isComplete = false
  /// The last usage that was put on the wire.
  var reported: Usage?
  var contentEvents = 0

  var json: JSON {
    [
      "n": .int(number), "method": .text(method), "path": .text(path), "query": .text(query),
      "headers": .array(headers.map { [.text($0.name), .text($0.value)] }),
      "body_bytes": .optional(bodyBytes),
      "body_sha256": bodyDigest.map { .text($0.hexadecimal) } ?? .null,
      "model": .optional(model), "cache_salt": .optional(cacheSalt), "stream": .bool(isStream),
      "head_us": .int(headAt), "body_first_us": .optional(bodyFirstAt),
      "body_last_us": .optional(bodyLastAt), "upstream_us": .optional(upstreamAt),
      "end_us": .optional(endAt), "upstream_runs": .int(upstreamRuns),
      "status": .optional(status), "faults": .array(faults.map(JSON.text)),
      "client_left": .bool(didClientLeave), "complete": .bool(isComplete),
      "content_events": .int(contentEvents), "usage": reported?.recorded ?? .null,
    ]
  }
}

/// Sums over the requests of one path and model.
struct Totals: Sendable {
  var requests = 0
  var upstreamRuns = 0
  var complete = 0
  var clientLeft = 0
  var whole = Usage()
  var broken = Usage()

  mutating func add(_ record: Record) {
    requests += 1
    upstreamRuns += record.upstreamRuns
    complete += record.isComplete ? 1 : 0
    clientLeft += record.didClientLeave ? 1 : 0
    guard let usage = record.reported else { return }
    if record.isComplete { whole.add(usage) } else { broken.add(usage) }
  }

  mutating func add(_ other: Totals) {
    requests += other.requests
    upstreamRuns += other.upstreamRuns
    complete += other.complete
    clientLeft += other.clientLeft
    whole.add(other.whole)
    broken.add(other.broken)
  }

  var json: JSON {
    [
      "requests": .int(requests), "upstream_runs": .int(upstreamRuns),
      "complete": .int(complete), "client_left": .int(clientLeft),
      "usage": whole.recorded, "usage_of_broken": broken.recorded,
    ]
  }
}

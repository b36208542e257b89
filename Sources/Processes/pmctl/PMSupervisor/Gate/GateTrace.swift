internal import PMAttest
internal import PMJSON
internal import PMSystem

/// What the gate saw in its last run, step by step: what `pmctl attest` shows.
struct GateTrace {
  struct Entry {
    var name: String
    var state: String
    var token: FailureToken?
    var milliseconds: UInt64
    /// The thing seen, for people.
    var detail: String
  }

  /// Factors and steps of one run are about two dozen.
  private static let entriesMax = 64
  /// A line of the control socket holds one entry.
  private static let detailBytesMax = 1024

  private(set) var entries: [Entry] = []
  private var since: Instant
  /// When the run began.
  let at: WallTime

  init(now: Instant, at: WallTime) { (since, self.at) = (now, at) }

  /// Notes the end of a step that began with the end of the one before.
  mutating func note(
    _ name: String, _ token: FailureToken?, _ detail: String, now: Instant, state: String? = nil
  ) {
    guard entries.count < Self.entriesMax else { return }
    let detail = String(decoding: detail.utf8.prefix(Self.detailBytesMax), as: UTF8.self)
    entries.append(
      Entry(
        name: name, state: state ?? (token == nil ? "PASS" : "FAIL"), token: token,
        milliseconds: now.millisecondsSince(since), detail: detail))
    since = now
  }

  var lines: [JSONObject] {
    entries.map { entry in
      [
        "step": .string(entry.name), "state": .string(entry.state),
        "token": entry.token.map { .string($0.rawValue) } ?? .null,
        "ms": .integer(Int64(clamping: entry.milliseconds)), "detail": .string(entry.detail),
      ]
    }
  }
}

import PMSystem

/// The memory of what clients did. Bounded: old records go first, sums stay.
final class Recorder: Sendable {
  /// About 1 KB each: a test reads its own few, a load test reads the sums.
  static let recordsMax = 8192

  private struct Key: Hashable, Sendable {
    let path: Bytes
    let model: Bytes
  }

  private struct State: Sendable {
    /// Number of the first request since the last `forget`, and of the next to come.
    var first = 1
    var next = 1
    /// A ring: request `n` lies at `(n - first) % recordsMax`.
    var records: [Record] = []
    var inFlight = 0
    var connections = 0
    var totals: [Key: Totals] = [:]

    mutating func add(_ record: Record) {
      if records.count < recordsMax {
        records.append(record)
      } else {
        records[(record.number - first) % recordsMax] = record
      }
    }

    mutating func replace(_ record: Record) {
      guard record.number >= first, next - record.number <= recordsMax else { return }
      records[(record.number - first) % recordsMax] = record
    }

    /// From the oldest on.
    var inOrder: [Record] { records.sorted { $0.number < $1.number } }
  }

  private let state = Guarded(State())
  private let startedAt = Clock.microseconds()

  /// Microseconds since the start.
  var now: Int { Clock.microseconds() - startedAt }

  var inFlight: Int { state.withLock { $0.inFlight } }
  var connections: Int { state.withLock { $0.connections } }

  func countConnection(_ change: Int) { state.withLock { $0.connections += change } }

  /// Takes up a request and gives it its number, counted from 1.
  func open(_ record: inout Record) {
    var opened = record
    state.withLock { state in
      opened.number = state.next
      state.next += 1
      state.add(opened)
      state.inFlight += 1
    }
    record = opened
  }

  /// Replaces what is known of a request, if it is still remembered.
  func update(_ record: Record) {
    state.withLock { $0.replace(record) }
  }

  func close(_ record: Record) {
    state.withLock { state in
      state.replace(record)
      state.inFlight -= 1
      // A request that began before `forget` belongs to the time before it.
      guard record.number >= state.first else { return }
      state.totals[Key(path: record.path, model: record.model ?? []), default: Totals()].add(record)
    }
  }

  func forget() {
    state.withLock { state in
      state.first = state.next
      state.records = []
      state.totals = [:]
    }
  }

  func records(path: Bytes?, model: Bytes?) -> JSON {
    let (records, dropped) = state.withLock {
      ($0.inOrder, $0.next - $0.first - $0.records.count)
    }
    let chosen = records.filter {
      (path == nil || path == $0.path) && (model == nil || model == $0.model)
    }
    return ["ok": true, "dropped": .int(dropped), "records": .array(chosen.map(\.json))]
  }

  func totals() -> JSON {
    let (totals, inFlight, connections) = state.withLock {
      ($0.totals, $0.inFlight, $0.connections)
    }
    var sum = Totals()
    for part in totals.values { sum.add(part) }
    let ordered = totals.sorted {
      ($0.key.path.text, $0.key.model.text) < ($1.key.path.text, $1.key.model.text)
    }
    let parts = ordered.map { key, part -> JSON in
      ["path": .text(key.path), "model": .text(key.model)] + part.json
    }
    let head: JSON = [
      "ok": true, "in_flight": .int(inFlight), "connections": .int(connections),
    ]
    return head + sum.json + ["by": .array(parts)]
  }
}

import Synchronization

/// The memory of what clients did. Bounded: old records go first, sums stay.
final class Recorder: Sendable {
  /// About 1 KB each: a test reads its own few, a load test reads the sums.
  static let recordsMax = 8192

  private struct Key: Hashable {
    let path: Bytes
    let model: Bytes
  }

  private struct State {
    var first = 1
    var countedFrom = 1
    var records: [Record] = []
    var dropped = 0
    var inFlight = 0
    var connections = 0
    var totals: [Key: Totals] = [:]
  }

  private let state = Mutex(State())
  private let startedAt = Clock.microseconds()

  /// Microseconds since the start.
  var now: Int { Clock.microseconds() - startedAt }

  var inFlight: Int { state.withLock { $0.inFlight } }
  var connections: Int { state.withLock { $0.connections } }

  func countConnection(_ change: Int) { state.withLock { $0.connections += change } }

  /// Takes up a request and gives it its number, counted from 1.
  func open(_ record: inout Record) {
    var opened = record
    opened.number = state.withLock { state in
      if state.records.count >= Self.recordsMax {
        let excess = Self.recordsMax / 2
        state.records.removeFirst(excess)
        state.first += excess
        state.dropped += excess
      }
      opened.number = state.first + state.records.count
      state.records.append(opened)
      state.inFlight += 1
      return opened.number
    }
    record = opened
  }

  /// Replaces what is known of a request, if it is still remembered.
  func update(_ record: Record) {
    state.withLock { state in
      let index = record.number - state.first
      if state.records.indices.contains(index) { state.records[index] = record }
    }
  }

  func close(_ record: Record) {
    update(record)
    state.withLock { state in
      state.inFlight -= 1
      // A request that began before `forget` belongs to the time before it.
      guard record.number >= state.countedFrom else { return }
      state.totals[Key(path: record.path, model: record.model ?? []), default: Totals()].add(record)
    }
  }

  func forget() {
    state.withLock { state in
      state.first += state.records.count
      state.countedFrom = state.first
      state.records = []
      state.dropped = 0
      state.totals = [:]
    }
  }

  func records(path: Bytes?, model: Bytes?) -> JSON {
    let (records, dropped) = state.withLock { ($0.records, $0.dropped) }
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

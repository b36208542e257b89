internal import PMSystem
internal import PMWire

/// Connections and requests of each client address, for all loops of the edge. Memory only: no
/// address is ever written down.
final class AddressTable: Sendable {
  /// What the limit says about one request.
  struct Verdict {
    var isAdmitted: Bool
    var limit: Int
    var remaining: Int
    var retryAfterSeconds: Int
  }

  fileprivate struct Entry: Sendable {
    var connections = 0
    var window = SlidingWindow()
  }

  private struct State: Sendable {
    var requests: RequestWindow
    var entries: [InternetAddress: Entry] = [:]
  }

  private let connectionsMax: Int
  private let state: Guarded<State>

  init(connectionsPerAddressMax: Int, requests: RequestWindow) {
    connectionsMax = connectionsPerAddressMax
    state = Guarded(State(requests: requests))
  }

  /// Puts another limit in force; what was admitted stays counted.
  func change(_ requests: RequestWindow) { state.withLock { $0.requests = requests } }

  /// Counts a connection; false if the address has too many already.
  func open(_ address: InternetAddress) -> Bool {
    state.withLock { state in
      makeRoom(in: &state)
      guard state.entries[address.subscriber, default: Entry()].connections < connectionsMax else {
        return false
      }
      state.entries[address.subscriber, default: Entry()].connections += 1
      return true
    }
  }

  func close(_ address: InternetAddress) {
    state.withLock { state in
      guard var entry = state.entries[address.subscriber] else { return }
      entry.connections -= 1
      state.entries[address.subscriber] = entry.connections == 0 && entry.window.isEmpty ? nil : entry
    }
  }

  /// Counts a request, unless the address is over its limit: a refused one takes no place.
  func admit(_ address: InternetAddress, at now: Instant) -> Verdict {
    state.withLock { state in
      makeRoom(in: &state)
      return state.entries[address.subscriber, default: Entry()].admit(state.requests, at: now)
    }
  }

  /// Forgets idle addresses when the table is full, those without a request in the window first.
  private func makeRoom(in state: inout State) {
    guard state.entries.count >= EdgeBounds.trackedAddressesMax else { return }
    let now = Instant.now()
    for (address, entry) in state.entries where entry.connections == 0 {
      var entry = entry
      entry.window.forget(before: now, seconds: state.requests.seconds)
      if entry.window.isEmpty { state.entries[address] = nil }
    }
    if state.entries.count < EdgeBounds.trackedAddressesMax { return }
    // All are busy: a flood from many addresses. Those that hold no connection go.
    state.entries = state.entries.filter { $0.value.connections > 0 }
  }
}

extension AddressTable.Entry {
  fileprivate mutating func admit(_ limit: RequestWindow, at now: Instant) -> AddressTable.Verdict {
    window.forget(before: now, seconds: limit.seconds)
    let used = window.count
    guard used < limit.requests else {
      let wait = window.secondsUntilPlace(at: now, seconds: limit.seconds)
      return .init(isAdmitted: false, limit: limit.requests, remaining: 0, retryAfterSeconds: wait)
    }
    window.take(at: now)
    return .init(
      isAdmitted: true, limit: limit.requests, remaining: limit.requests - used - 1,
      retryAfterSeconds: 0)
  }
}

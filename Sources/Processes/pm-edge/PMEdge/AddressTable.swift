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
    var window: AdmissionWindow
    var handshakes = Pace.Account()
    var keyless = Pace.Account()
    var evidence = Pace.Account()
    init(_ limit: RequestWindow) {
      window = AdmissionWindow(limit: limit.requests, seconds: limit.seconds)
    }
  }

  private struct State: Sendable {
    var requests: RequestWindow
    var entries: [InternetAddress: Entry] = [:]
  }

  private let connectionsMax: Int
  private let handshakes: Pace
  private let keyless: Pace
  private let evidence = Pace(
    perSecond: EdgeBounds.evidencePerAddressPerSecond,
    burstSeconds: EdgeBounds.evidenceBurstSecondsMax)
  private let state: Guarded<State>

  init(_ settings: EdgeSettings) {
    connectionsMax = settings.connectionsPerAddressMax
    handshakes = Pace(
      perSecond: settings.handshakesPerAddressPerSecond, burstSeconds: EdgeBounds.burstSecondsMax)
    keyless = Pace(
      perSecond: settings.keylessRequestsPerAddressPerSecond,
      burstSeconds: EdgeBounds.burstSecondsMax)
    state = Guarded(State(requests: settings.addressWindow))
  }

  /// Puts another limit in force; what was admitted stays counted.
  func change(_ requests: RequestWindow) { state.withLock { $0.requests = requests } }

  /// Counts a connection; false if the address has too many already, or opens them too fast: each
  /// buys a handshake of ours, which costs more than many requests.
  func open(_ address: InternetAddress, at now: Instant, isPaced: Bool) -> Bool {
    state.withLock { state in
      makeRoom(in: &state)
      return state.entries[address.subscriber, default: Entry(state.requests)].open(
        connectionsMax, isPaced ? handshakes : nil, at: now)
    }
  }

  func close(_ address: InternetAddress) {
    state.withLock { state in
      guard var entry = state.entries[address.subscriber] else { return }
      entry.connections -= 1
      let isIdle = entry.isIdle(at: .now())
      state.entries[address.subscriber] = isIdle ? nil : entry
    }
  }

  /// Counts a request, unless the address is over its limit: a refused one takes no place.
  func admit(_ address: InternetAddress, at now: Instant) -> Verdict {
    state.withLock { state in
      makeRoom(in: &state)
      return state.entries[address.subscriber, default: Entry(state.requests)].admit(
        state.requests, at: now)
    }
  }

  /// Counts a request that no key pays for; false if the address sends them too fast.
  func admitKeyless(_ address: InternetAddress, at now: Instant) -> Bool {
    state.withLock { state in
      makeRoom(in: &state)
      return state.entries[address.subscriber, default: Entry(state.requests)].keyless.admits(
        keyless, at: now)
    }
  }

  /// Counts a request for evidence; false if the address sends them too fast: each costs a call of
  /// the security processor, which serves the whole machine.
  func admitEvidence(_ address: InternetAddress, at now: Instant) -> Bool {
    state.withLock { state in
      makeRoom(in: &state)
      return state.entries[address.subscriber, default: Entry(state.requests)].evidence.admits(
        evidence, at: now)
    }
  }

  /// Forgets idle addresses when the table is full, those without a request in the window first.
  private func makeRoom(in state: inout State) {
    guard state.entries.count >= EdgeBounds.trackedAddressesMax else { return }
    let now = Instant.now()
    for (address, entry) in state.entries {
      var entry = entry
      if entry.isIdle(at: now) { state.entries[address] = nil }
    }
    if state.entries.count < EdgeBounds.trackedAddressesMax { return }
    // All are busy: a flood from many addresses. Those that hold no connection go.
    state.entries = state.entries.filter { $0.value.connections > 0 }
  }
}

extension AddressTable.Entry {
  fileprivate mutating func open(_ connectionsMax: Int, _ pace: Pace?, at now: Instant) -> Bool {
    guard connections < connectionsMax else { return false }
    if let pace, !handshakes.admits(pace, at: now) { return false }
    connections += 1
    return true
  }

  fileprivate mutating func admit(_ limit: RequestWindow, at now: Instant) -> AddressTable.Verdict {
    let moment = Int64(clamping: now.nanoseconds)
    window.change(limit: limit.requests, seconds: limit.seconds)
    guard window.hasPlace(at: moment) else {
      let wait = (window.nanosecondsUntilFree(at: moment) + 999_999_999) / 1_000_000_000
      return .init(
        isAdmitted: false, limit: limit.requests, remaining: 0, retryAfterSeconds: Int(max(1, wait))
      )
    }
    window.take(at: moment)
    return .init(
      isAdmitted: true, limit: limit.requests, remaining: window.remaining, retryAfterSeconds: 0)
  }

  /// Nothing is remembered of the address any more.
  fileprivate mutating func isIdle(at now: Instant) -> Bool {
    _ = window.hasPlace(at: Int64(clamping: now.nanoseconds))
    return connections == 0 && window.taken == 0 && handshakes.isIdle(at: now)
      && keyless.isIdle(at: now) && evidence.isIdle(at: now)
  }
}

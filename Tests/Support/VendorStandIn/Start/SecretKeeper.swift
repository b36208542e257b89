import PMSystem

/// The secret shared with the pretend deployment, and the one lock under which the vendor holds it
/// through attestation and refresh.
final class SecretKeeper: Sendable {
  /// How often a request that waits for the lock looks again, in milliseconds.
  private static let lockPollMilliseconds = 10

  private struct State: Sendable {
    var isHeld = false
    /// Held by a refresh that never comes back.
    var isHung = false
    var hasSecret = false
    var isExpired = false
    var failsLazily = false
    var dropsNextBearer = false
    var retainedKey: Bytes?
    var revoked: Set<Bytes> = []
  }

  private let state = Guarded(State())
  private let apiKey: Bytes?
  private let scenario: Scenario
  private let exchange: SecretExchange
  private let log: Log

  init(apiKey: Bytes?, scenario: Scenario, exchange: SecretExchange, log: Log) {
    self.apiKey = apiKey
    self.scenario = scenario
    self.exchange = exchange
    self.log = log
  }

  /// Whether the pretend gateway takes `key`.
  func accepts(_ key: Bytes) -> Bool {
    let isKnown = scenario.keys.map { $0.contains(key) } ?? !key.isEmpty
    return isKnown && !state.withLock { $0.revoked.contains(key) }
  }

  /// The start with `--apiKey`: attest, or say why not.
  func attestAtStart() throws(ExchangeFault) {
    try exchange.run(isKeyAccepted: accepts(apiKey ?? []))
    state.withLock { $0.hasSecret = true }
  }

  func sayUpdated() {
    log.info("Secret updated successfully", ["component": "secret-loop"])
  }

  // MARK: Requests

  /// What a request with a Bearer token meets before it is routed.
  func admit(_ bearer: Bytes, _ wire: Wire) throws(Refusal) {
    try acquire(wire)
    defer { release() }
    guard apiKey == nil, !state.withLock({ $0.hasSecret }) else { return }
    if scenario.boot == .hang {
      wire.waitsForLeaving()
      throw .clientLeft
    }
    do throws(ExchangeFault) {
      try exchange.run(isKeyAccepted: accepts(bearer))
    } catch {
      throw .binary(401, "trying API key: \(error.goText)")
    }
    let drops = state.withLock { state in
      state.hasSecret = true
      state.isExpired = false
      state.retainedKey = bearer
      defer { state.dropsNextBearer = false }
      return state.dropsNextBearer
    }
    // The vendor's handler closes an already closed channel here, and panics (2.3).
    if drops { throw .connectionDropped }
    sayUpdated()
  }

  /// The secret for an inference call: there, refreshed lazily, or the reason why not.
  func requireSecret(_ wire: Wire) throws(Refusal) {
    try acquire(wire)
    defer { release() }
    let place =
      "creating request cipher: initializing renewable request cipher: get latest secret: "
    let (hasSecret, isExpired, fails) = state.withLock {
      ($0.hasSecret, $0.isExpired, $0.failsLazily)
    }
    guard hasSecret else { throw .binary(500, place + "don't have an API key yet") }
    guard isExpired else { return }
    if fails || !accepts(keyInUse) {
      let fault: ExchangeFault = fails ? .network : .unauthorized
      throw .binary(500, place + fault.goText)
    }
    state.withLock { $0.isExpired = false }
  }

  private var keyInUse: Bytes { apiKey ?? state.withLock { $0.retainedKey } ?? [] }

  private func acquire(_ wire: Wire) throws(Refusal) {
    while !tryAcquire() {
      guard wire.waits(milliseconds: Self.lockPollMilliseconds) else { throw .clientLeft }
    }
  }

  /// For the loop, which has no client that could leave.
  private func acquire() {
    while !tryAcquire() { Clock.sleep(milliseconds: Self.lockPollMilliseconds) }
  }

  private func tryAcquire() -> Bool {
    state.withLock { state in
      defer { state.isHeld = true }
      return !state.isHeld
    }
  }

  private func release() { state.withLock { $0.isHeld = false } }

  var isAttested: Bool { state.withLock { $0.hasSecret } }

  // MARK: Events in mid-life

  func happen(_ event: LifeEvent) {
    switch event {
    case .refreshDue:
      if accepts(keyInUse) { sayUpdated() } else { failRefresh(isLasting: false) }
    case .refreshFail: failRefresh(isLasting: false)
    case .refreshFailLasting: failRefresh(isLasting: true)
    case .refreshHang:
      acquire()
      state.withLock { $0.isHung = true }
    case .refreshRelease:
      state.withLock { state in
        if state.isHung { state.isHeld = false }
        state.isHung = false
        state.failsLazily = false
      }
    case .manifestUpdate:
      attestAnew()
      sayUpdated()
    case .keyRevoked:
      revoke()
    case .keyRestored:
      state.withLock { $0.revoked = [] }
    }
  }

  /// The exchange failed under the old certificate, so the manifest is fetched again.
  private func attestAnew() {
    acquire()
    defer { release() }
    log.error("Set secrets", ["error": .text(SecretExchange.staleText)])
    if let fault = exchange.updateManifest() {
      log.error("Set secrets", ["error": .text(fault.goText)])
    }
  }

  private func failRefresh(isLasting: Bool) {
    attestAnew()
    log.error("Failed to updated secret", ["component": "secret-loop"])
    log.error("Secret update loop exited", ["component": "secret-loop"])
    state.withLock {
      $0.isExpired = true
      $0.failsLazily = isLasting
    }
  }

  private func revoke() {
    let key = keyInUse
    state.withLock { state in
      state.revoked.insert(key)
      guard apiKey == nil, state.hasSecret else { return }
      state.hasSecret = false
      state.retainedKey = nil
      state.dropsNextBearer = true
    }
  }
}

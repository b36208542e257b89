internal import PMWire

/// The gate: no verdict `passed`, no public listener.
extension Supervision {
  mutating func begin() {
    if settings.isDevelopment {
      gate = .notAttested
      effects.append(.record(.gate(gate)))
      bind()
    } else {
      appraise()
    }
  }

  /// `anew` overtakes a run under way: what it works on does not count any more.
  mutating func appraise(anew: Bool = false) {
    guard anew || !isAppraising, !isLeaving else { return }
    isAppraising = true
    timers.cancel(.gateRetry)
    timers.cancel(.gateRecheck)
    timers.set(.appraisal, now.adding(seconds: Limits.appraisalSecondsMax))
    effects.append(.appraise)
  }

  mutating func take(_ verdict: Verdict) {
    guard isAppraising, !settings.isDevelopment else { return }
    isAppraising = false
    timers.cancel(.appraisal)
    switch verdict {
    case .passed:
      unavailableInRow = 0
      setGate(.passed)
      timers.set(.gateRecheck, now.adding(seconds: Limits.gateRecheckSeconds))
      if !isListening { bind() }
      settleGateOrders(.done)
    case .refused(let token):
      unavailableInRow = 0
      setGate(.refused(token: token))
      shut()
      settleGateOrders(.failed(.gate))
    case .unavailable(let token):
      unavailableInRow += 1
      // An open gate bears two of these: a service that does not answer says nothing of us.
      if !isListening || unavailableInRow >= Limits.gateUnavailableMax {
        setGate(.unavailable(token: token))
        shut()
      }
      let seconds = Limits.gateRetrySeconds << min(unavailableInRow - 1, 8)
      timers.set(.gateRetry, now.adding(seconds: min(seconds, Limits.gateRetrySecondsMax)))
      settleGateOrders(.failed(.gate))
    }
  }

  /// An edge keeps its key for life; the next one has the new key. An edge that cannot be renewed
  /// now is as soon as the gate runs again.
  mutating func keyChanged() {
    guard gate == .passed, canRenew(.edge),
      !Transition.targets(from: services[.edge].state, on: .inputChanged).isEmpty
    else { return }
    renew(.edge, .inputChanged, .key)
  }

  private mutating func setGate(_ state: GateState) {
    if gate == state { return }
    gate = state
    effects.append(.record(.gate(state)))
  }

  private var isGateOpen: Bool { gate == .passed || gate == .notAttested }

  mutating func bind() {
    guard isGateOpen, !isListening, !isBinding, !isLeaving else { return }
    isBinding = true
    effects.append(.bind)
  }

  mutating func bound(_ isBound: Bool) {
    guard isBinding else { return }
    isBinding = false
    guard isGateOpen else {
      if isBound { effects.append(.closeListeners) }
      return
    }
    hasBindFailed = !isBound
    if isBound {
      isListening = true
      hasBegun = true
    } else {
      timers.set(.bindRetry, now.adding(seconds: Limits.gateRetrySeconds))
    }
  }

  private mutating func shut() {
    timers.cancel(.bindRetry)
    hasBindFailed = false
    // Before the first verdict, an earlier run may have left some.
    if isListening || !hasBegun { effects.append(.closeListeners) }
    isListening = false
    stop(.edge, .gateShut, .gate)
  }
}

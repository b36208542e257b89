/// What it all comes to.
public enum Verdict: String, CaseIterable, Sendable {
  case proven
  case rejected
  /// Nothing is wrong with evidence of the past. That it is fresh cannot be shown any more, so this
  /// is never `proven`.
  case savedEvidenceValid = "saved-evidence-valid"
  /// There was no answer to judge.
  case unreachable

  /// The verdict of factors that were all judged: one failure refuses, and so does a required
  /// factor in any state but PASS.
  init(of factors: [Factor], required: Set<Factor.Name>, on occasion: Occasion) {
    let passed = Set(factors.filter { $0.state == .pass }.map(\.name))
    let hasFailure = factors.contains { $0.state == .fail }
    if hasFailure || !required.isSubset(of: passed) {
      self = .rejected
    } else {
      self = occasion == .saved ? .savedEvidenceValid : .proven
    }
  }
}

/// When a verification takes place: it decides which factors a verdict needs.
public enum Occasion: Equatable, Sendable {
  /// The machine judges itself; there is no connection.
  case gate
  /// A client judges the other end of its own connection.
  case connection(webPKI: WebPKI)
  /// Evidence that was saved: nobody knows any more that it answered the nonce when it was asked.
  case saved

  /// What the system's certificate authorities say of the connection.
  public enum WebPKI: Equatable, Sendable {
    case valid, invalid, notChecked
  }

  /// The factors without which there is no good verdict about evidence of `platform`.
  func required(on platform: Platform?) -> Set<Factor.Name> {
    var names: Set<Factor.Name> = [
      .document, .tlsKey, .amdRoot, .amdSignature, .chipAndTCB, .guestPolicy, .firmwareLevel,
      .product,
    ]
    if platform != .snp { names.formUnion([.paravisor, .quote]) }
    switch self {
    case .gate: names.insert(.fresh)
    case .connection: names.formUnion([.connection, .fresh])
    case .saved: break
    }
    return names
  }
}

public import PMCrypto
public import PMSystem

/// Judges evidence: bytes, a clock and anchors come in, a verdict goes out, and nothing of the
/// system is touched. The gate, `pmctl verify` and the tests run this same code.
///
/// Method: one order, which `Examination` spells out, and the first failure ends it, because what
/// lies behind a failure may be anybody's bytes. Policy, expectations and revocation are judged
/// only for evidence that is genuine and bound, and then all of them.
///
/// What no verdict says: which software runs, unless measurement or boot chain is expected; where
/// the machine stands; that a chip of the kind Milan has kept its seed.
public struct Verifier: Sendable {
  let anchors: TrustAnchors
  let time: WallTime
  let rules: Rules

  /// Production passes `TrustAnchors.amd`; nothing that configures a program can name others.
  public init(anchors: TrustAnchors, at time: WallTime, rules: Rules) {
    (self.anchors, self.time, self.rules) = (anchors, time, rules)
  }

  /// The verdict about the bytes of an answer to `nonce`. `key` is the caller's own observation of
  /// the TLS key: SHA-256 of its SubjectPublicKeyInfo.
  public func verify(
    document: [UInt8], nonce: Nonce, key: Digest256, occasion: Occasion
  ) -> Appraisal {
    var examination = Examination(self, on: occasion)
    do {
      try examination.run(document: document, nonce: nonce, key: key)
    } catch {
      examination.fail(error)
    }
    return examination.appraisal()
  }

  /// The verdict where no document came. `isUnreachable` tells a server that cannot be reached from
  /// one that answers something else.
  public func appraisal(of token: FailureToken, isUnreachable: Bool) -> Appraisal {
    var examination = Examination(self)
    examination.fail(token)
    return examination.appraisal(isUnreachable: isUnreachable)
  }
}

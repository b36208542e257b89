internal import PMCrypto
public import PMSystem

/// The three certificates that lead from a report's key to AMD: the key's own (VEK), the
/// intermediate (ASK for chips, ASVK for providers) and the root (ARK).
///
/// Method: three direct verifications in a fixed order, each after its own narrow rules, because a
/// path-building verifier does both too much (it refuses every genuine chip certificate for want of
/// an authority key identifier) and too little (it accepts PKCS#1 v1.5, another salt, another
/// hash and another curve). What it does not do: revocation, which `RevocationList` checks.
public struct CertificateChain {
  public static let certificateCount = 3

  let vek: X509Certificate
  let intermediate: X509Certificate
  let ark: X509Certificate

  /// Takes VEK, intermediate and root in DER.
  public init(der: [[UInt8]]) throws(FailureToken) {
    guard der.count == Self.certificateCount else { throw .chainCount }
    guard let vek = X509Certificate(der: der[0]),
      let intermediate = X509Certificate(der: der[1]), let ark = X509Certificate(der: der[2])
    else { throw .certParse }
    (self.vek, self.intermediate, self.ark) = (vek, intermediate, ark)
  }

  /// Whom the chain vouches for, if it ends at an anchor and is valid at `time`.
  public func verify(
    anchors: TrustAnchors, at time: WallTime
  ) throws(FailureToken) -> SigningIdentity {
    let product = try product(by: anchors)
    let links = [
      Link(child: ark, parent: ark, .arkAlg, .arkRSA, .arkIssuer, .arkSig, .arkTime),
      Link(child: intermediate, parent: ark, .askAlg, .askRSA, .askIssuer, .askSig, .askTime),
      Link(child: vek, parent: intermediate, .vekAlg, .vekRSA, .vekIssuer, .vekSig, .vekTime),
    ]
    for link in links { try link.verifySignature() }
    for link in links { try link.verifyTime(time) }
    let kind = try kind(of: product)
    guard vek.keyShape == .curve("secp384r1"), let key = vek.publicKeyInfo else { throw .vekKey }
    let extensions = try AMDExtensions(
      vek.extensions(below: AMDExtensions.prefix), product: product, kind: kind)
    return SigningIdentity(
      product: product, owner: extensions.owner, tcb: extensions.tcb, publicKey: key)
  }

  private func product(by anchors: TrustAnchors) throws(FailureToken) -> Product {
    guard let key = ark.publicKeyInfo, let digest = (try? SHA256())?.digest(of: key.span),
      let product = anchors.product(of: digest)
    else { throw .arkPin }
    return product
  }

  /// The names say whether the key is a chip's or a provider's.
  private func kind(of product: Product) throws(FailureToken) -> KeyKind {
    guard intermediate.isAuthority else { throw .askCA }
    let kind: KeyKind
    switch intermediate.commonName {
    case Array("SEV-\(product.rawValue)".utf8): kind = .vcek
    case Array("SEV-VLEK-\(product.rawValue)".utf8): kind = .vlek
    default: throw .askCN
    }
    guard vek.commonName == Array("SEV-\(kind.rawValue)".utf8) else { throw .vekCN }
    return kind
  }
}

/// One certificate, the one that must have signed it, and the tokens of this step.
private struct Link {
  let child: X509Certificate
  let parent: X509Certificate
  let algorithm: FailureToken
  let rsa: FailureToken
  let issuer: FailureToken
  let signature: FailureToken
  let time: FailureToken

  init(
    child: X509Certificate, parent: X509Certificate, _ algorithm: FailureToken,
    _ rsa: FailureToken, _ issuer: FailureToken, _ signature: FailureToken, _ time: FailureToken
  ) {
    (self.child, self.parent) = (child, parent)
    (self.algorithm, self.rsa, self.issuer) = (algorithm, rsa, issuer)
    (self.signature, self.time) = (signature, time)
  }

  /// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and 48 bytes of salt, without and with the default
  /// trailer: the only two encodings in AMD's certificates.
  private static let algorithms: Set<[UInt8]> = [
    [
      0x30, 0x41, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A, 0x30, 0x34,
      0xA0, 0x0F, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
      0x05, 0x00, 0xA1, 0x1C, 0x30, 0x1A, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01,
      0x01, 0x08, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
      0x05, 0x00, 0xA2, 0x03, 0x02, 0x01, 0x30,
    ],
    [
      0x30, 0x46, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A, 0x30, 0x39,
      0xA0, 0x0F, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
      0x05, 0x00, 0xA1, 0x1C, 0x30, 0x1A, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01,
      0x01, 0x08, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
      0x05, 0x00, 0xA2, 0x03, 0x02, 0x01, 0x30, 0xA3, 0x03, 0x02, 0x01, 0x01,
    ],
  ]
  private static let rsaBits = 4096

  func verifySignature() throws(FailureToken) {
    guard let used = child.signatureAlgorithm, Self.algorithms.contains(used) else {
      throw algorithm
    }
    guard parent.keyShape == .rsa(bits: Self.rsaBits) else { throw rsa }
    guard child.namesIssuer(parent) else { throw issuer }
    guard child.isSigned(by: parent) else { throw signature }
  }

  func verifyTime(_ now: WallTime) throws(FailureToken) {
    guard child.isValid(at: now) else { throw time }
  }
}

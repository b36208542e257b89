/// The two kinds of key that sign reports.
public enum KeyKind: String, Sendable {
  /// Of one chip at one firmware level.
  case vcek = "VCEK"
  /// Of a cloud provider: it proves some machine of that provider.
  case vlek = "VLEK"
}

/// Whom AMD vouches for in a verified chain: only `CertificateChain.verify` makes one.
public struct SigningIdentity: Equatable, Sendable {
  public enum Owner: Equatable, Sendable {
    /// 64 bytes, on Turin 8.
    case chip([UInt8])
    /// 1 to 127 printable characters.
    case provider(String)
  }

  public let product: Product
  public let owner: Owner
  /// The firmware level that the key is made for.
  public let tcb: TCB
  /// SubjectPublicKeyInfo in DER.
  let publicKey: [UInt8]

  public var kind: KeyKind {
    switch owner {
    case .chip: .vcek
    case .provider: .vlek
    }
  }
}

public import PMCrypto

/// The roots that a chain may end at: for each product SHA-256 of the root's SubjectPublicKeyInfo.
/// Names do not count, and no certificate is built in.
public struct TrustAnchors: Sendable {
  private let pins: [(digest: Digest256, product: Product)]

  public init(milan: Digest256, genoa: Digest256, turin: Digest256) {
    pins = [(milan, .milan), (genoa, .genoa), (turin, .turin)]
  }

  /// AMD's own (ARK-Milan, ARK-Genoa, ARK-Turin): the only ones in the product, and what production
  /// passes.
  public static let amd = TrustAnchors(
    milan: pin("9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"),
    genoa: pin("429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"),
    turin: pin("4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"))

  private static func pin(_ hex: String) -> Digest256 {
    guard let digest = Digest256(hex: hex) else { preconditionFailure("a pin is 64 digits") }
    return digest
  }

  /// The product of the root with this digest; nil if it is no anchor.
  func product(of digest: Digest256) -> Product? {
    pins.first { $0.digest == digest }?.product
  }
}

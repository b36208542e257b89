internal import PMCrypto
internal import PMSystem

/// 32 bytes that a client chooses so that evidence answers this question and no other. Zero is
/// reserved for data that answers nobody (`Binding.userData`) and refused everywhere else.
public struct Nonce: Equatable, Sendable {
  public static let byteCount = 32

  public let bytes: [UInt8]

  /// Nil unless there are 32 bytes.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// Nil unless the text is 64 lower-case digits.
  public init?(hex text: String) {
    guard let bytes = Hex.canonicalBytes(text) else { return nil }
    self.init(bytes)
  }

  private init(checked bytes: [UInt8]) { self.bytes = bytes }

  /// A new one from the kernel's generator; never zero.
  public static func random() -> Nonce {
    while true {
      let nonce = Nonce(checked: randomBytes(byteCount))
      if !nonce.isZero { return nonce }
    }
  }

  static let zero = Nonce(checked: .init(repeating: 0, count: byteCount))

  public var isZero: Bool { bytes.allSatisfy { $0 == 0 } }
  /// 64 lower-case digits.
  public var hex: String { Hex.text(bytes.span) }
}

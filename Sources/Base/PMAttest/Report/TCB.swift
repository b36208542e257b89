/// The security level of each piece of the platform's firmware (TCB_VERSION, AMD 56860). It has no
/// order as a number: only the components compare.
public struct TCB: Equatable, Sendable {
  /// Nil before Turin.
  public let fmc: UInt8?
  public let bootLoader: UInt8
  public let tee: UInt8
  public let snp: UInt8
  public let microcode: UInt8

  public init(fmc: UInt8? = nil, bootLoader: UInt8, tee: UInt8, snp: UInt8, microcode: UInt8) {
    (self.fmc, self.bootLoader, self.tee) = (fmc, bootLoader, tee)
    (self.snp, self.microcode) = (snp, microcode)
  }

  /// Reads the eight bytes of a report; nil if a byte without a name is not zero.
  public init?(_ bytes: [UInt8], of product: Product) {
    switch product {
    case .milan, .genoa:
      guard bytes.count == Self.byteCount, bytes.isZero(2..<6) else { return nil }
      self.init(bootLoader: bytes[0], tee: bytes[1], snp: bytes[6], microcode: bytes[7])
    case .turin:
      guard bytes.count == Self.byteCount, bytes.isZero(4..<7) else { return nil }
      self.init(
        fmc: bytes[0], bootLoader: bytes[1], tee: bytes[2], snp: bytes[3], microcode: bytes[7])
    }
  }
  static let byteCount = 8

  /// True if no component is below the same one of `floor`. A component that only one of the two
  /// has counts as 0 in the other.
  public func isAtLeast(_ floor: TCB) -> Bool {
    zip(components, floor.components).allSatisfy { $0 >= $1 }
  }

  private var components: [UInt8] { [fmc ?? 0, bootLoader, tee, snp, microcode] }
}

/// The four levels that a report names, in the layout of its product.
public struct PlatformTCB: Equatable, Sendable {
  /// What the signing certificate is made for.
  public let reported: TCB
  /// What the host can no longer go below.
  public let committed: TCB
  /// What runs now.
  public let current: TCB
  /// What ran when the guest was started or moved here.
  public let launch: TCB

  /// What every platform keeps: reported ≤ committed ≤ current and launch ≤ current.
  var isOrdered: Bool {
    committed.isAtLeast(reported) && current.isAtLeast(committed) && current.isAtLeast(launch)
  }
}

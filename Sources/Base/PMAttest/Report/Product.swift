/// The kinds of EPYC that this verifier knows. The raw value is the word in AMD's names.
public enum Product: String, CaseIterable, Sendable {
  case milan = "Milan"
  case genoa = "Genoa"
  case turin = "Turin"

  /// Bytes of a chip's identifier (AMD 56860, CHIP_ID): Turin has 8, the others 64.
  public var chipIDBytes: Int { self == .turin ? 8 : 64 }
}

/// Family, model and stepping as CPUID gives them, in a report of version 3 or later.
public struct Processor: Equatable, Hashable, Sendable {
  public let family: UInt8
  public let model: UInt8
  public let stepping: UInt8

  public init(family: UInt8, model: UInt8, stepping: UInt8) {
    (self.family, self.model, self.stepping) = (family, model, stepping)
  }

  /// Nil for a processor that this verifier does not know. Genoa stands for Siena, Bergamo and
  /// Genoa-X, too.
  public var product: Product? {
    switch (family, model) {
    case (0x19, 0x00...0x0F): .milan
    case (0x19, 0x10...0x1F), (0x19, 0xA0...0xAF): .genoa
    case (0x1A, 0x00...0x11): .turin
    default: nil
    }
  }
}

/// The lowest levels of firmware that count as mended, for each processor. Data, not code: the
/// numbers change with AMD's bulletins, and the table says of which day it is.
///
/// A microcode number means something for one stepping only, so that a floor of a product would be
/// wrong. Baseline covers EntrySign (CVE-2024-56161) and BadRAM (CVE-2024-21944), not RMPocalypse
/// or StackWarp; strict asks for those, too.
public enum Floors {
  /// The day on which the rows were last compared with the bulletins.
  public static let date = "2026-11-22"

  /// A processor that rows are looked up by.
  public struct Key: Hashable, Sendable {
    public let product: Product
    public let model: UInt8
    public let stepping: UInt8

    public init(_ product: Product, model: UInt8, stepping: UInt8) {
      (self.product, self.model, self.stepping) = (product, model, stepping)
    }

    /// `Genoa/17/1`: model and stepping in decimal.
    public var text: String { "\(product.rawValue)/\(model)/\(stepping)" }
  }

  struct Row: Sendable {
    let key: Key
    let baseline: TCB
    /// Nil where the strict profile refuses the product.
    let strict: TCB?
  }

  static let rows: [Row] = [
    row(.milan, 0x01, 1, TCB(bootLoader: 4, tee: 0, snp: 0x18, microcode: 0xDB), nil),
    row(.milan, 0x01, 2, TCB(bootLoader: 4, tee: 0, snp: 0x18, microcode: 0x47), nil),
    row(
      .genoa, 0x11, 1, TCB(bootLoader: 0x0A, tee: 0, snp: 0x17, microcode: 0x54),
      TCB(bootLoader: 0x0A, tee: 0, snp: 0x1B, microcode: 0x56)),
    row(
      .genoa, 0x11, 2, TCB(bootLoader: 0x0A, tee: 0, snp: 0x17, microcode: 0x51),
      TCB(bootLoader: 0x0A, tee: 0, snp: 0x1B, microcode: 0x51)),
    row(
      .genoa, 0xA0, 2, TCB(bootLoader: 0x0A, tee: 0, snp: 0x17, microcode: 0x1B),
      TCB(bootLoader: 0x0A, tee: 0, snp: 0x1B, microcode: 0x1B)),
    row(
      .turin, 0x02, 1, TCB(fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 0x51),
      TCB(fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 0x51)),
    row(
      .turin, 0x11, 0, TCB(fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 0x4E),
      TCB(fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 0x4E)),
  ]

  private static func row(
    _ product: Product, _ model: UInt8, _ stepping: UInt8, _ baseline: TCB, _ strict: TCB?
  ) -> Row {
    Row(
      key: Key(product, model: model, stepping: stepping), baseline: baseline, strict: strict)
  }

  /// The firmware that the strict profile asks for; nil where it refuses the product.
  static func strictFirmware(of product: Product) -> FirmwareVersion? {
    switch product {
    case .milan: nil
    case .genoa: FirmwareVersion(major: 1, minor: 55, build: 49)
    case .turin: FirmwareVersion(major: 1, minor: 55, build: 65)
    }
  }

  /// The mitigations that the strict profile asks for, one to a bit.
  static func strictMitigations(of product: Product) -> UInt64 {
    switch product {
    case .milan: 0
    case .genoa: 0b00_0011
    case .turin: 0b11_0111
    }
  }

  /// The row of a report's processor. A report of version 2 does not name it and is held to the
  /// first row of its product.
  static func key(of report: Report, product: Product) -> Key? {
    if let processor = report.processor {
      return Key(product, model: processor.model, stepping: processor.stepping)
    }
    return rows.first { $0.key.product == product }?.key
  }

  static func floor(for key: Key, _ profile: Profile) -> TCB? {
    guard let row = rows.first(where: { $0.key == key }) else { return nil }
    switch profile {
    case .baseline: return row.baseline
    case .strict: return row.strict
    }
  }
}

/// How much is asked of a machine.
public enum Profile: String, CaseIterable, Sendable {
  /// The levels of well-kept machines; Milan passes with a warning.
  case baseline
  /// The levels that mend all that a report can show; Milan is refused.
  case strict
}

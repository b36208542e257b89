internal import PMAttest
internal import PMCrypto
internal import PMSystem

/// What a report says of the certificates that fit it, as words for the collateral role.
struct CollateralQuestion {
  private let source: GateSequence.ChainSource
  private let chip: String
  private let tcb: String
  private let kind: String
  private let product: String?

  /// Nil if the report is none.
  init?(_ bytes: [UInt8], _ source: GateSequence.ChainSource) {
    guard let report = try? Report(bytes) else { return nil }
    self.source = source
    chip = Hex.text(report.chipID.span)
    tcb = Hex.text(report.reportedTCBBytes.span)
    kind = report.keyKind == .vcek ? "vcek" : "vlek"
    product = report.processor?.product?.rawValue
  }

  func arguments(folder: String) -> [String] {
    ["collateral", source.rawValue, folder, chip, tcb, kind] + (product.map { [$0] } ?? [])
  }
}

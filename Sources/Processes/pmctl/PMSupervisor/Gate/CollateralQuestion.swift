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

extension CertificateParts {
  /// Reads what the collateral role writes: a name and base64 in each line, `vek`, `mid`, `ark`.
  /// Nil if nothing is there or a line is none of these.
  init?(lines bytes: [UInt8]) {
    self.init()
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard words.count == 2, let der = Base64.bytes(String(words[1])) else { return nil }
      switch words[0] {
      case "vek": vek = der
      case "mid": intermediate = der
      case "ark": root = der
      default: return nil
      }
    }
    if vek == nil, intermediate == nil, root == nil { return nil }
  }

  /// Which certificates there are, for people.
  var summary: String {
    let names = [("vek", vek), ("mid", intermediate), ("ark", root)]
    let there = names.compactMap { $0.1 == nil ? nil : $0.0 }
    return there.isEmpty ? "nothing" : there.joined(separator: " ")
  }
}

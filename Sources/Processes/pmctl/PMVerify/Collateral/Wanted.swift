internal import PMAttest

/// What certificates are looked for: the signing key of one chip at one firmware level.
struct Wanted: Equatable, Sendable {
  let chip: [UInt8]
  /// TCB_VERSION as it stands in the report.
  let tcb: [UInt8]
  let kind: KeyKind
  /// Nil for reports that do not name it (version 2).
  let product: Product?

  /// Nil unless chip is 64 bytes and TCB 8.
  init?(chip: [UInt8], tcb: [UInt8], kind: KeyKind, product: Product?) {
    guard chip.count == 64, tcb.count == 8 else { return nil }
    (self.chip, self.tcb, self.kind, self.product) = (chip, tcb, kind, product)
  }
}

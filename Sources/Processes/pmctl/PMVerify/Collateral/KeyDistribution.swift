public import PMAttest
internal import PMCrypto
public import PMSystem

/// What AMD's service is asked (AMD 57230). It limits how often, so each answer is asked for once.
public struct KeyDistribution: Sendable {
  private let source: any CertificateSource
  private let deadline: Instant

  public init(_ source: any CertificateSource, until deadline: Instant) {
    (self.source, self.deadline) = (source, deadline)
  }

  /// The chain of a chip; of a provider's key only the upper two, which is all that is public.
  func certificates(_ wanted: Wanted) throws(NetworkFault) -> FoundCertificates {
    guard let product = wanted.product else { return FoundCertificates() }
    var found = FoundCertificates()
    if wanted.kind == .vcek {
      guard let target = Self.chipTarget(wanted, product) else { return found }
      found.vek = try body(target)
    }
    let upper = PEM.certificates(in: try body(Self.path(product, wanted.kind, "cert_chain")))
    if upper.count == 2 { (found.intermediate, found.ark) = (upper[0], upper[1]) }
    return found
  }

  /// The root's list of revoked intermediates, DER.
  public func revocationList(
    of product: Product, _ kind: KeyKind
  ) throws(NetworkFault) -> [UInt8] {
    try body(Self.path(product, kind, "crl"))
  }

  private func body(_ target: String) throws(NetworkFault) -> [UInt8] {
    let answer = try source.get(target, from: .amd, until: deadline)
    guard answer.status == 200 else { throw .refused(status: answer.status) }
    return answer.body
  }

  private static func path(_ product: Product, _ kind: KeyKind, _ name: String) -> String {
    "/\(kind.rawValue.lowercased())/v1/\(product.rawValue)/\(name)"
  }

  /// Nil if the level is none of this product.
  static func chipTarget(_ wanted: Wanted, _ product: Product) -> String? {
    guard let tcb = TCB(wanted.tcb, of: product) else { return nil }
    let chip = Hex.text(wanted.chip.span.extracting(0..<product.chipIDBytes))
    var levels = [
      ("blSPL", tcb.bootLoader), ("teeSPL", tcb.tee), ("snpSPL", tcb.snp),
      ("ucodeSPL", tcb.microcode),
    ]
    if let fmc = tcb.fmc { levels.insert(("fmcSPL", fmc), at: 0) }
    let query = levels.map { "\($0)=\($1 < 10 ? "0" : "")\($1)" }.joined(separator: "&")
    return path(product, .vcek, chip) + "?" + query
  }
}

internal import PMAttest
internal import PMCrypto

/// The certificates that lead from a report to AMD, as far as a source has them; nothing here is
/// believed before it is verified against the report.
public struct Certificates: Equatable, Sendable {
  public var vek: [UInt8]?
  public var intermediate: [UInt8]?
  public var ark: [UInt8]?

  public init(vek: [UInt8]? = nil, intermediate: [UInt8]? = nil, ark: [UInt8]? = nil) {
    (self.vek, self.intermediate, self.ark) = (vek, intermediate, ark)
  }

  /// All that the role may print (attestation: root takes no more from it).
  public static let outputBytesMax = 64 << 10

  var isEmpty: Bool { vek == nil && intermediate == nil && ark == nil }

  /// Names of lines, and of files in the cache.
  enum Name: String, CaseIterable { case vek, mid, ark }

  subscript(_ name: Name) -> [UInt8]? {
    get {
      switch name {
      case .vek: vek
      case .mid: intermediate
      case .ark: ark
      }
    }
    set {
      switch name {
      case .vek: vek = newValue
      case .mid: intermediate = newValue
      case .ark: ark = newValue
      }
    }
  }

  /// One line for each that is there: its name and its DER in base64.
  var output: [UInt8] {
    var text = ""
    for name in Name.allCases {
      if let der = self[name] { text += "\(name.rawValue) \(Base64.text(der.span))\n" }
    }
    return Array(text.utf8)
  }

  /// Reads what the role printed; nil unless it is such lines, each name once at most.
  public init?(output: [UInt8]) {
    guard output.count <= Self.outputBytesMax else { return nil }
    self.init()
    for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ", omittingEmptySubsequences: false)
      guard words.count == 2, let name = Name(rawValue: String(words[0])), self[name] == nil,
        let der = Base64.bytes(String(words[1]))
      else { return nil }
      self[name] = der
    }
  }
}

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

internal import PMCrypto

/// The certificates that lead from a report to AMD, as far as a place has them, in DER. None of
/// them is believed before it was verified against the report.
public struct FoundCertificates: Equatable, Sendable {
  public var vek: [UInt8]?
  /// ASK or ASVK.
  public var intermediate: [UInt8]?
  public var ark: [UInt8]?

  public init(vek: [UInt8]? = nil, intermediate: [UInt8]? = nil, ark: [UInt8]? = nil) {
    (self.vek, self.intermediate, self.ark) = (vek, intermediate, ark)
  }

  /// What the host gave with a report.
  public init(_ table: CertificateTable) {
    self.init(vek: table.vcek ?? table.vlek, intermediate: table.intermediate, ark: table.ark)
  }

  public var isEmpty: Bool { vek == nil && intermediate == nil && ark == nil }

  /// In the order of a document; nil if one is missing.
  public var chain: [[UInt8]]? {
    guard let vek, let intermediate, let ark else { return nil }
    return [vek, intermediate, ark]
  }

  /// Takes from `others` what is missing here.
  public func completed(by others: FoundCertificates) -> FoundCertificates {
    FoundCertificates(
      vek: vek ?? others.vek, intermediate: intermediate ?? others.intermediate,
      ark: ark ?? others.ark)
  }

  // MARK: Lines

  /// Names of lines, and of files in the cache.
  public enum Name: String, CaseIterable, Sendable { case vek, mid, ark }

  public subscript(_ name: Name) -> [UInt8]? {
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

  /// The names of what is there, for people.
  public var summary: String {
    let names = Name.allCases.filter { self[$0] != nil }.map(\.rawValue)
    return names.isEmpty ? "nothing" : names.joined(separator: " ")
  }

  /// All that one process may tell another.
  public static let linesBytesMax = 64 << 10

  /// One line for each that is there: its name and its DER in base64.
  public var lines: [UInt8] {
    var text = ""
    for name in Name.allCases {
      if let der = self[name] { text += "\(name.rawValue) \(Base64.text(der.span))\n" }
    }
    return Array(text.utf8)
  }

  /// Reads lines; nil unless they are such, each name once at most.
  public init?(lines: [UInt8]) {
    guard lines.count <= Self.linesBytesMax else { return nil }
    self.init()
    for line in String(decoding: lines, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ", omittingEmptySubsequences: false)
      guard words.count == 2, let name = Name(rawValue: String(words[0])), self[name] == nil,
        let der = Base64.bytes(String(words[1]))
      else { return nil }
      self[name] = der
    }
  }
}

/// What AMD wrote into the certificate of a chip or a provider (AMD 57230, "Certificate
/// Extensions").
///
/// Numbers and texts are read in exactly the encodings that AMD uses: two certificates that differ
/// in bytes must not mean the same.
struct AMDExtensions: Equatable {
  /// The encoded object identifier 1.3.6.1.4.1.3704.1, below which all of them are.
  static let prefix: [UInt8] = [0x2B, 0x06, 0x01, 0x04, 0x01, 0x9C, 0x78, 0x01]

  let tcb: TCB
  let owner: SigningIdentity.Owner

  // The arcs behind the prefix.
  private static let structVersion: [UInt8] = [1]
  private static let productName: [UInt8] = [2]
  private static let bootLoader: [UInt8] = [3, 1]
  private static let tee: [UInt8] = [3, 2]
  private static let snp: [UInt8] = [3, 3]
  private static let spares: [[UInt8]] = [[3, 4], [3, 5], [3, 6], [3, 7]]
  private static let microcode: [UInt8] = [3, 8]
  private static let fmc: [UInt8] = [3, 9]
  private static let hardwareID: [UInt8] = [4]
  private static let provider: [UInt8] = [5]

  /// Reads the extensions below `prefix` of a certificate of this product and kind.
  init(
    _ found: [X509Certificate.Extension], product: Product, kind: KeyKind
  ) throws(FailureToken) {
    let extensions = try ExtensionTable(found)
    let structVersion = try extensions.required(Self.structVersion)
    let productName = try extensions.required(Self.productName)
    guard try ASN1.number(structVersion) <= 1 else { throw .extStruct }
    // `Milan-B0`: what follows the hyphen is a stepping.
    let name = try ASN1.text(productName).prefix { $0 != "-" }
    guard name == product.rawValue else { throw .extProduct }
    tcb = TCB(
      fmc: product == .turin ? try extensions.number(Self.fmc) : nil,
      bootLoader: try extensions.number(Self.bootLoader), tee: try extensions.number(Self.tee),
      snp: try extensions.number(Self.snp), microcode: try extensions.number(Self.microcode))
    for spare in Self.spares {
      guard let value = extensions[spare] else { continue }
      guard try ASN1.number(value) == 0 else { throw .extSpare }
    }
    owner =
      switch kind {
      case .vcek: .chip(try Self.chip(extensions, product))
      case .vlek: .provider(try Self.provider(extensions))
      }
  }

  private static func chip(
    _ extensions: ExtensionTable, _ product: Product
  ) throws(FailureToken) -> [UInt8] {
    guard extensions[provider] == nil, let value = extensions[hardwareID] else { throw .extHWID }
    let count = product.chipIDBytes
    if value.count == count { return value }
    // Some certificates wrap it into an OCTET STRING.
    guard value.count == count + 2, value[0] == 0x04, value[1] == UInt8(count) else {
      throw .extHWID
    }
    return [UInt8](value[2...])
  }

  private static func provider(_ extensions: ExtensionTable) throws(FailureToken) -> String {
    guard extensions[hardwareID] == nil, let value = extensions[provider] else { throw .extCSP }
    return try ASN1.text(value)
  }
}

/// Extensions by their object identifier, each at most once.
private struct ExtensionTable {
  private var values: [[UInt8]: [UInt8]] = [:]

  init(_ found: [X509Certificate.Extension]) throws(FailureToken) {
    for item in found where values.updateValue(item.value, forKey: item.suffix) != nil {
      throw .extDup
    }
  }

  subscript(_ suffix: [UInt8]) -> [UInt8]? { values[suffix] }

  func required(_ suffix: [UInt8]) throws(FailureToken) -> [UInt8] {
    guard let value = values[suffix] else { throw .extMissing }
    return value
  }

  func number(_ suffix: [UInt8]) throws(FailureToken) -> UInt8 {
    try ASN1.number(try required(suffix))
  }
}

/// The two kinds of value in AMD's extensions, in the only encoding of each.
private enum ASN1 {
  /// INTEGER, 0 to 255, as short as DER has it.
  static func number(_ value: [UInt8]) throws(FailureToken) -> UInt8 {
    switch value.count {
    case 3 where value[0] == 0x02 && value[1] == 1 && value[2] < 0x80: return value[2]
    case 4 where value[0] == 0x02 && value[1] == 2 && value[2] == 0 && value[3] >= 0x80:
      return value[3]
    default: throw .extInt
    }
  }

  /// IA5String of 1 to 127 printable characters.
  static func text(_ value: [UInt8]) throws(FailureToken) -> String {
    guard value.count > 2, value[0] == 0x16, value[1] < 0x80, value.count == Int(value[1]) + 2,
      value[2...].allSatisfy({ (0x20...0x7E).contains($0) })
    else { throw .extStr }
    return String(decoding: value[2...], as: UTF8.self)
  }
}

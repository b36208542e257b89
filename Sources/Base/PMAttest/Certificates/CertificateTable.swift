/// The certificates that a host gives along with a report (Linux `sev-guest.rst`, GHCB
/// specification, "SNP Extended Guest Request"). Host data: the form is checked here, the content
/// by whoever uses it.
public struct CertificateTable: Sendable {
  /// The largest buffer that the sev-guest driver takes.
  public static let bytesMax = 16 << 10
  /// Twice the largest certificate that a chain takes: PEM is longer than DER.
  static let entryBytesMax = 8192

  /// In DER; nil if the table lacks it.
  public private(set) var vcek: [UInt8]?
  public private(set) var vlek: [UInt8]?
  /// ASK or ASVK.
  public private(set) var intermediate: [UInt8]?
  public private(set) var ark: [UInt8]?

  /// A table without entries is normal on plain KVM, and so is one of no bytes.
  public init(_ bytes: [UInt8]) throws(FailureToken) {
    guard bytes.count <= Self.bytesMax else { throw .certTable }
    if bytes.isEmpty { return }
    let entries = try Self.entries(of: bytes)
    guard Set(entries.map(\.identifier)).count == entries.count else { throw .certTable }
    let payloadStart = Self.headerBytes * (entries.count + 1)
    for entry in entries {
      // As wide integers, the sum of two 32-bit numbers does not wrap.
      guard entry.offset >= payloadStart, entry.length <= Self.entryBytesMax,
        entry.offset + entry.length <= bytes.count
      else { throw .certTable }
      try take(entry.identifier, bytes.bytes(entry.offset, entry.length))
    }
  }

  private struct Entry {
    let identifier: [UInt8]
    let offset: Int
    let length: Int
  }

  /// Identifier, offset and length of one entry.
  private static let headerBytes = 24

  /// The entries before the one that is all zero.
  private static func entries(of bytes: [UInt8]) throws(FailureToken) -> [Entry] {
    var entries: [Entry] = []
    var position = 0
    while position + headerBytes <= bytes.count {
      if bytes.isZero(position..<position + headerBytes) { return entries }
      entries.append(
        Entry(
          identifier: bytes.bytes(position, 16),
          offset: Int(bytes.littleEndian(position + 16, as: UInt32.self)),
          length: Int(bytes.littleEndian(position + 20, as: UInt32.self))))
      position += headerBytes
    }
    throw .certTable
  }

  /// Unknown identifiers belong to others.
  private mutating func take(_ identifier: [UInt8], _ payload: [UInt8]) throws(FailureToken) {
    switch identifier {
    case Self.vcekIdentifier: vcek = try Self.der(payload)
    case Self.vlekIdentifier: vlek = try Self.der(payload)
    case Self.intermediateIdentifier: intermediate = try Self.der(payload)
    case Self.arkIdentifier: ark = try Self.der(payload)
    default: break
    }
  }

  private static func der(_ payload: [UInt8]) throws(FailureToken) -> [UInt8] {
    guard PEM.isLikely(payload) else { return payload }
    let certificates = PEM.certificates(in: payload)
    guard let der = certificates.first, certificates.count == 1 else { throw .certTable }
    return der
  }

  // GUIDs, their bytes in the order of the text.
  /// 63da758d-e664-4564-adc5-f4b93be8accd
  private static let vcekIdentifier: [UInt8] = [
    0x63, 0xDA, 0x75, 0x8D, 0xE6, 0x64, 0x45, 0x64, 0xAD, 0xC5, 0xF4, 0xB9, 0x3B, 0xE8, 0xAC, 0xCD,
  ]
  /// a8074bc2-a25a-483e-aae6-39c045a0b8a1
  private static let vlekIdentifier: [UInt8] = [
    0xA8, 0x07, 0x4B, 0xC2, 0xA2, 0x5A, 0x48, 0x3E, 0xAA, 0xE6, 0x39, 0xC0, 0x45, 0xA0, 0xB8, 0xA1,
  ]
  /// 4ab7b379-bbac-4fe4-a02f-05aef327c782
  private static let intermediateIdentifier: [UInt8] = [
    0x4A, 0xB7, 0xB3, 0x79, 0xBB, 0xAC, 0x4F, 0xE4, 0xA0, 0x2F, 0x05, 0xAE, 0xF3, 0x27, 0xC7, 0x82,
  ]
  /// c0b406a4-a803-4952-9743-3fb6014cd0ae
  private static let arkIdentifier: [UInt8] = [
    0xC0, 0xB4, 0x06, 0xA4, 0xA8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3F, 0xB6, 0x01, 0x4C, 0xD0, 0xAE,
  ]
}

/// An attestation report of SEV-SNP: 1184 bytes that the security processor signs.
///
/// Method: reading checks the structure alone, in the order that gives each damaged report one
/// token; `verify` checks the signature and that report and certificate speak of the same platform.
/// Every reserved byte must be zero, also behind the signed part, or two different byte strings
/// would be one report. What it does not do: judge levels, policy or measurement. Known hole of the
/// format: (r, n − s) verifies as well as (r, s), so a digest of a report identifies nothing.
///
/// Layout: AMD 56860, table "ATTESTATION_REPORT", versions 2 to 5.
public struct Report: Equatable, Sendable {
  public static let byteCount = 0x4A0
  /// The signature is over the bytes before this one.
  static let signedBytes = 0x2A0

  public let bytes: [UInt8]

  /// 2 to 5.
  public let version: UInt32
  public let policy: GuestPolicy
  /// The kind of key that the report says it is signed by.
  public let keyKind: KeyKind
  let signature: ReportSignature

  /// Reads a report, which may still be a forgery: nothing in it counts before `verify`.
  public init(_ bytes: [UInt8]) throws(FailureToken) {
    guard bytes.count == Self.byteCount else { throw .size }
    self.bytes = bytes
    version = bytes.littleEndian(0x000)
    guard (2...5).contains(version) else { throw .version }
    // 1: ECDSA P-384 with SHA-384.
    guard bytes.littleEndian(0x034, as: UInt32.self) == 1 else { throw .sigAlgo }
    policy = GuestPolicy(rawValue: bytes.littleEndian(0x008))
    guard policy.hasReservedOne else { throw .policyMBO }
    guard policy.hasReservedZeros else { throw .policyMBZ }
    let keyFlags: UInt32 = bytes.littleEndian(0x048)
    guard keyFlags >> 5 == 0 else { throw .keyinfoMBZ }
    switch keyFlags >> 2 {
    case 0: keyKind = .vcek
    case 1: keyKind = .vlek
    default: throw .signingKey
    }
    guard Self.reserved(in: version).allSatisfy(bytes.isZero) else { throw .reserved }
    signature = try ReportSignature(bytes)
  }

  /// What must be zero. Later versions gave some of it a meaning.
  private static func reserved(in version: UInt32) -> [Range<Int>] {
    var ranges = [
      0x04C..<0x050, 0x18B..<0x1A0, 0x1EB..<0x1EC, 0x1EF..<0x1F0, 0x208..<0x2A0, 0x330..<0x4A0,
    ]
    if version < 3 { ranges.append(0x188..<0x18B) }
    if version < 5 { ranges.append(0x1F8..<0x208) }
    return ranges
  }

  // MARK: Fields

  /// A number that the guest's owner gave at launch.
  public var guestSVN: UInt32 { bytes.littleEndian(0x004) }
  public var familyID: [UInt8] { bytes.bytes(0x010, 16) }
  public var imageID: [UInt8] { bytes.bytes(0x020, 16) }
  /// The privilege level that asked; 0xFFFFFFFF if the host did.
  public var vmpl: UInt32 { bytes.littleEndian(0x030) }
  public var platformFlags: PlatformFlags { PlatformFlags(rawValue: bytes.littleEndian(0x040)) }
  /// The 64 bytes that whoever asked chose.
  public var reportData: [UInt8] { bytes.bytes(0x050, 64) }
  /// SHA-384 of the guest's memory at launch.
  public var measurement: [UInt8] { bytes.bytes(0x090, 48) }
  /// 32 bytes that the host chose at launch.
  public var hostData: [UInt8] { bytes.bytes(0x0C0, 32) }
  /// SHA-384 of the key that signed the guest's identity block.
  public var idKeyDigest: [UInt8] { bytes.bytes(0x0E0, 48) }
  public var authorKeyDigest: [UInt8] { bytes.bytes(0x110, 48) }
  public var reportID: [UInt8] { bytes.bytes(0x140, 32) }
  /// The report of the migration agent; 32 times 0xFF if there is none.
  public var migrationReportID: [UInt8] { bytes.bytes(0x160, 32) }
  /// Nil in version 2.
  public var processor: Processor? {
    guard version >= 3 else { return nil }
    return Processor(family: bytes[0x188], model: bytes[0x189], stepping: bytes[0x18A])
  }
  /// 64 bytes; Turin fills the first 8. Zero if the chip's key is masked or a VLEK signs.
  public var chipID: [UInt8] { bytes.bytes(0x1A0, 64) }
  public var currentFirmware: FirmwareVersion { firmware(0x1E8) }
  public var committedFirmware: FirmwareVersion { firmware(0x1EC) }
  /// Mitigations active at launch, one to a bit; nil before version 5.
  public var launchMitigations: UInt64? { version >= 5 ? bytes.littleEndian(0x1F8) : nil }
  /// Mitigations active now, one to a bit; nil before version 5.
  public var currentMitigations: UInt64? { version >= 5 ? bytes.littleEndian(0x200) : nil }
  /// The eight bytes that tell whether the host's firmware has changed since another report.
  public var reportedTCBBytes: [UInt8] { bytes.bytes(0x180, TCB.byteCount) }

  private func firmware(_ offset: Int) -> FirmwareVersion {
    FirmwareVersion(major: bytes[offset + 2], minor: bytes[offset + 1], build: bytes[offset])
  }

  // MARK: Verification

  /// The levels of a report that `signer` has signed and that speaks of the signer's platform;
  /// the signer comes from a verified chain.
  @discardableResult
  public func verify(signedBy signer: SigningIdentity) throws(FailureToken) -> PlatformTCB {
    guard keyKind == signer.kind else { throw .signerKind }
    guard signature.isValid(over: bytes[..<Self.signedBytes], by: signer.publicKey) else {
      throw .reportSig
    }
    if let processor, processor.product != signer.product { throw .fmsProduct }
    let tcb = try levels(of: signer.product)
    guard tcb.reported == signer.tcb else { throw .tcbCert }
    if case .chip(let id) = signer.owner { try match(id) }
    guard tcb.isOrdered else { throw .tcbOrder }
    return tcb
  }

  private func levels(of product: Product) throws(FailureToken) -> PlatformTCB {
    func level(_ offset: Int) throws(FailureToken) -> TCB {
      guard let tcb = TCB(bytes.bytes(offset, TCB.byteCount), of: product) else { throw .tcbMBZ }
      return tcb
    }
    return PlatformTCB(
      reported: try level(0x180), committed: try level(0x1E0), current: try level(0x038),
      launch: try level(0x1F0))
  }

  private func match(_ id: [UInt8]) throws(FailureToken) {
    let mine = chipID
    guard !mine.isZero(mine.indices) else { throw .chipMasked }
    guard mine.starts(with: id), mine.isZero(id.count..<mine.count) else { throw .chipID }
  }
}

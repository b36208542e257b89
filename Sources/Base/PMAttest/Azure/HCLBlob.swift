internal import PMCrypto

/// The blob that the paravisor of an Azure machine keeps in its TPM: a report, and the data whose
/// digest the report carries.
///
/// Method: one header version range, one request, one data layout, one technology; each field that
/// says anything else has a token of its own, because Microsoft may change them. Lengths come from
/// `var_size` alone; the two other sizes must agree with it and are never read by.
///
/// Layout: microsoft/openvmm, openhcl_attestation_protocol/src/igvm_attest/get.rs.
public struct HCLBlob: Sendable {
  private static let reportOffset = 0x20
  private static let runtimeOffset = 0x4D4
  /// The header alone, and what we read from the TPM at most; Azure's blob has 2600 bytes.
  public static let bytesRange = runtimeOffset...4096

  /// Bytes of an attestation report.
  public let report: [UInt8]
  /// JSON, exactly as it is hashed; what lies behind it means nothing.
  public let runtime: [UInt8]
  private let hash: HashFunction

  public init(_ bytes: [UInt8]) throws(FailureToken) {
    func word(_ offset: Int) -> UInt32 { bytes.littleEndian(offset) }

    guard Self.bytesRange.contains(bytes.count) else { throw .hclSize }
    guard bytes.starts(with: "HCLA".utf8) else { throw .hclMagic }
    guard (1...2).contains(word(0x004)) else { throw .hclVersion }
    // 2: report for an attestation.
    guard word(0x00C) == 2 else { throw .hclRequestType }
    // Version 2 has four more bytes before the report type.
    guard word(0x4C4) == 1 else { throw .hclDataVersion }
    // 1 VBS, 2 SNP, 3 TVM, 4 TDX.
    guard word(0x4C8) == 2 else { throw .hclReportType }
    switch word(0x4CC) {
    case 1: hash = .sha256
    case 2: hash = .sha384
    case 3: hash = .sha512
    default: throw .hclHash
    }
    let runtimeBytes = Int(word(0x4D0))
    guard runtimeBytes <= bytes.count - Self.runtimeOffset else { throw .hclVarSize }
    // The fields between the report and the runtime data, and the report with all behind it.
    guard Int(word(0x4C0)) == 20 + runtimeBytes, Int(word(0x008)) == 1236 + runtimeBytes
    else { throw .hclDataSize }
    report = bytes.bytes(Self.reportOffset, Report.byteCount)
    runtime = bytes.bytes(Self.runtimeOffset, runtimeBytes)
  }

  /// Whether the report vouches for the runtime data: all 64 bytes of `report_data` are their
  /// digest and zeros.
  func match(reportData: [UInt8]) throws(FailureToken) {
    let digest = hash.digest(of: runtime.span)
    let rest = [UInt8](repeating: 0, count: reportData.count - digest.count)
    guard reportData == digest + rest else { throw .runtimeHash }
  }
}

internal import PMCrypto

/// A TPM's signed statement about its PCRs (TPMS_ATTEST of TPM 2.0 Part 2, section 10.12.12), and
/// the PCR values that it is to be about.
///
/// Method: the signature first, over all bytes as they came; then each field in its place, to the
/// exact end. Clock, reset counts and firmware version are signed but not judged.
struct Quote {
  static let pcrCount = 24
  static let pcrBytes = 32

  private let message: [UInt8]
  private let signature: [UInt8]
  private let pcrs: [[UInt8]]

  init(_ evidence: AzureEvidence) {
    (message, signature, pcrs) = (evidence.quote, evidence.signature, evidence.pcrs)
  }

  /// TPM_GENERATED_VALUE and TPM_ST_ATTEST_QUOTE: only a TPM writes them before it signs.
  private static let magic: [UInt8] = [0xFF, 0x54, 0x43, 0x47, 0x80, 0x18]
  /// One selection: SHA-256, three bytes, PCR 0 to 23.
  private static let selection: [UInt8] = [0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0xFF, 0xFF]
  /// Clock (8), reset and restart count (4 each), safe (1); version of the firmware (8).
  private static let stateBytes = 17 + 8

  /// Whether `key` has signed that the TPM, asked with `extraData`, has these PCR values.
  func verify(by key: RSAPublicKey, extraData: [UInt8]) throws(FailureToken) {
    guard key.verifies(signature, of: message) else { throw .quoteSig }
    guard message.starts(with: Self.magic) else { throw .quoteMagic }
    var rest = message.dropFirst(Self.magic.count)
    _ = try Self.sized(&rest)  // The name of the signer: the signature tells more.
    guard try Self.sized(&rest) == extraData[...] else { throw .quoteNonce }
    _ = try Self.take(Self.stateBytes, &rest)
    guard try Self.take(Self.selection.count, &rest) == Self.selection[...] else {
      throw .quoteSelect
    }
    let digest = try Self.sized(&rest)
    guard digest.count == Self.pcrBytes, rest.isEmpty else { throw .quoteParse }
    let values = pcrs.flatMap { $0 }
    guard HashFunction.sha256.digest(of: values.span)[...] == digest else { throw .quotePCR }
  }

  private static func take(
    _ count: Int, _ rest: inout ArraySlice<UInt8>
  ) throws(FailureToken) -> ArraySlice<UInt8> {
    guard count <= rest.count else { throw .quoteParse }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// A TPM2B: two bytes of length, big endian, and as many bytes.
  private static func sized(
    _ rest: inout ArraySlice<UInt8>
  ) throws(FailureToken) -> ArraySlice<UInt8> {
    let length = try take(2, &rest).reduce(0) { $0 << 8 | Int($1) }
    return try take(length, &rest)
  }
}

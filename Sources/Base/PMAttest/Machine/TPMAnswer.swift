/// What a TPM said. Every length is checked against the bytes that are there; an answer of another
/// form is `tpm-response`, whatever it might have meant.
enum TPMAnswer: Equatable, Sendable {
  /// Success, with the parameters of the answer.
  case done([UInt8])
  /// Any other response code.
  case code(UInt32)

  private static let plainTag: UInt16 = 0x8001
  /// What follows the parameters where the command was authorised by an empty password.
  private static let emptyAuthorization: [UInt8] = [0, 0, 1, 0, 0]

  init(_ bytes: [UInt8], to command: TPMCommand) throws(FailureToken) {
    var reader = TPMReader(bytes)
    let tag = try reader.number16()
    guard try reader.number32() == bytes.count else { throw .tpmResponse }
    let code = try reader.number32()
    if code != 0 {
      guard tag == Self.plainTag, reader.isAtEnd else { throw .tpmResponse }
      self = .code(code)
      return
    }
    guard tag == command.tag else { throw .tpmResponse }
    guard command.needsAuthorization else {
      self = .done(reader.rest)
      return
    }
    let parameters = try reader.bytes(Int(try reader.number32()))
    guard reader.rest == Self.emptyAuthorization else { throw .tpmResponse }
    self = .done(parameters)
  }
}

/// Reads the fields of an answer from its front.
struct TPMReader {
  private var remaining: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { remaining = bytes[...] }

  var rest: [UInt8] { Array(remaining) }
  var isAtEnd: Bool { remaining.isEmpty }

  mutating func bytes(_ count: Int) throws(FailureToken) -> [UInt8] {
    guard count <= remaining.count else { throw .tpmResponse }
    defer { remaining = remaining.dropFirst(count) }
    return Array(remaining.prefix(count))
  }

  mutating func number16() throws(FailureToken) -> UInt16 {
    try bytes(2).reduce(0) { $0 << 8 | UInt16($1) }
  }

  mutating func number32() throws(FailureToken) -> UInt32 {
    try bytes(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// A TPM2B.
  mutating func sized() throws(FailureToken) -> [UInt8] { try bytes(Int(try number16())) }

  func end() throws(FailureToken) {
    guard isAtEnd else { throw .tpmResponse }
  }
}

/// What NV_ReadPublic says of an index: how many bytes it holds.
struct NVIndex: Equatable, Sendable {
  let dataBytes: Int

  init(_ parameters: [UInt8], index: UInt32) throws(FailureToken) {
    var reader = TPMReader(parameters)
    var area = TPMReader(try reader.sized())
    _ = try reader.sized()  // name
    try reader.end()
    guard try area.number32() == index else { throw .tpmResponse }
    _ = try area.number16()  // algorithm of the name
    _ = try area.number32()  // attributes
    _ = try area.sized()  // policy
    dataBytes = Int(try area.number16())
    try area.end()
  }
}

/// The public part of the attestation key: RSA-2048 for RSASSA with SHA-256, restricted to signing
/// what the TPM itself made. Any other object is `tpm-object`.
struct AttestationKey: Equatable, Sendable {
  let modulus: [UInt8]

  private static let rsa: UInt16 = 0x0001
  /// TPMA_OBJECT: restricted, sign.
  private static let neededAttributes: UInt32 = 1 << 16 | 1 << 18
  /// No symmetric algorithm, RSASSA with SHA-256, 2048 bits, the default exponent 65537.
  private static let details: [UInt8] = [
    0x00, 0x10, 0x00, 0x14, 0x00, 0x0B, 0x08, 0x00, 0, 0, 0, 0,
  ]
  private static let modulusBytes = 256

  init(_ parameters: [UInt8]) throws(FailureToken) {
    var reader = TPMReader(parameters)
    var area = TPMReader(try reader.sized())
    _ = try reader.sized()  // name
    _ = try reader.sized()  // qualified name
    try reader.end()
    let type = try area.number16()
    _ = try area.number16()  // algorithm of the name
    let attributes = try area.number32()
    _ = try area.sized()  // policy
    guard type == Self.rsa, attributes & Self.neededAttributes == Self.neededAttributes,
      try area.bytes(Self.details.count) == Self.details
    else { throw .tpmObject }
    modulus = try area.sized()
    try area.end()
    guard modulus.count == Self.modulusBytes else { throw .tpmObject }
  }
}

/// What one PCR_Read gave: at most eight values, of the registers it names.
struct PCRValues: Equatable, Sendable {
  let selection: PCRSelection
  /// In the order of their registers.
  let values: [[UInt8]]

  private static let valueBytes = 32

  init(_ parameters: [UInt8], asked: PCRSelection) throws(FailureToken) {
    var reader = TPMReader(parameters)
    _ = try reader.number32()  // counts all changes of registers; the quote's digest tells more
    guard try reader.number32() == 1, try reader.number16() == TPMCommand.sha256,
      try reader.bytes(1) == [3]
    else { throw .tpmResponse }
    let bits = try reader.bytes(3).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    selection = PCRSelection(bits: bits)
    // An empty answer would have us ask for ever.
    guard bits != 0, bits & ~asked.bits == 0, try reader.number32() == UInt32(selection.count)
    else { throw .tpmResponse }
    var values: [[UInt8]] = []
    for _ in 0..<selection.count {
      let value = try reader.sized()
      guard value.count == Self.valueBytes else { throw .tpmResponse }
      values.append(value)
    }
    try reader.end()
    self.values = values
  }
}

/// A quote as the TPM gave it. What it says is for the verifier to judge; here only the digest of
/// the registers is looked at, to see whether they changed meanwhile.
struct TPMQuote: Equatable, Sendable {
  let message: [UInt8]
  let signature: [UInt8]
  let registerDigest: [UInt8]

  private static let rsassa: UInt16 = 0x0014
  private static let signatureBytes = 256
  private static let digestBytes = 32

  init(_ parameters: [UInt8]) throws(FailureToken) {
    var reader = TPMReader(parameters)
    message = try reader.sized()
    guard try reader.number16() == Self.rsassa, try reader.number16() == TPMCommand.sha256 else {
      throw .tpmResponse
    }
    signature = try reader.sized()
    try reader.end()
    guard signature.count == Self.signatureBytes, message.count > Self.digestBytes else {
      throw .tpmResponse
    }
    // TPMS_QUOTE_INFO ends with the digest.
    registerDigest = Array(message.suffix(Self.digestBytes))
  }
}

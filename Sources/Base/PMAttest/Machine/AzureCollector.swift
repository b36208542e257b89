internal import PMCrypto

/// Evidence out of an Azure machine's virtual TPM.
///
/// Method: the guest's 64 bytes go into one index, the paravisor puts them into the report that it
/// gives from another. It makes a new report at most every two seconds and otherwise gives the old
/// one without a word, so the index is read until the report carries our bytes. Afterwards a quote
/// is all that a request costs.
///
/// This runs as root, so the runtime data, which is JSON, is only searched for two strings that
/// nobody meets by chance; reading it is the verifier's affair.
struct AzureCollector {
  let tpm: TPM
  let pause: (_ milliseconds: UInt64) -> Void

  static let reportBytesMax = 4096
  /// What every TPM gives in one NV_Read.
  static let pieceBytesMax = 1024
  static let refreshTriesMax = 5
  /// Longer than the two seconds in which the paravisor keeps a report.
  static let refreshPauseMilliseconds: UInt64 = 3000
  /// Registers that change between PCR_Read and Quote.
  static let quoteTriesMax = 3

  /// The report that carries the guest's bytes.
  struct BoundReport: Equatable, Sendable {
    let hcl: [UInt8]
    let report: [UInt8]
    let attempts: Int
  }

  struct RegisterQuote: Equatable, Sendable {
    let registers: [[UInt8]]
    let quote: TPMQuote
  }

  /// Writes `userData` and waits until the report carries it.
  func bind(_ userData: [UInt8]) throws(FailureToken) -> BoundReport {
    let key = try AttestationKey(tpm.run(.readPublic(handle: TPMCommand.attestationKey)))
    try defineUserData()
    for attempt in 1...Self.refreshTriesMax {
      _ = try tpm.run(.nvWrite(index: TPMCommand.userDataIndex, data: userData))
      pause(Self.refreshPauseMilliseconds)
      let hcl = try readReport()
      let blob = try HCLBlob(hcl)
      guard Self.contains(blob.runtime, hex: userData) else { continue }
      let modulus = Base64URL.text(key.modulus.span)
      guard Self.contains(blob.runtime, Array(modulus.utf8)) else { throw .tpmObject }
      return BoundReport(hcl: hcl, report: blob.report, attempts: attempt)
    }
    throw .hclStale
  }

  /// The registers and a quote over them that carries `extraData`.
  func quote(_ extraData: Digest256) throws(FailureToken) -> RegisterQuote {
    for _ in 1...Self.quoteTriesMax {
      let registers = try readRegisters()
      let quote = try TPMQuote(
        tpm.run(.quote(handle: TPMCommand.attestationKey, extraData: extraData.bytes)))
      if HashFunction.sha256.digest(of: Array(registers.joined()).span) == quote.registerDigest {
        return RegisterQuote(registers: registers, quote: quote)
      }
    }
    throw .quotePCR
  }

  // MARK: Steps

  /// Makes the index if this machine has none yet; another process may be faster.
  private func defineUserData() throws(FailureToken) {
    let index = TPMCommand.userDataIndex
    switch try tpm.answer(to: .nvReadPublic(index: index)) {
    case .done(let parameters):
      // One of another size would never carry exactly our bytes.
      guard try NVIndex(parameters, index: index).dataBytes == TPMCommand.userDataBytes else {
        throw .tpmObject
      }
    case .code(let code):
      guard TPM.undefinedCodes.contains(code) else { throw .tpmRC }
      switch try tpm.answer(to: .nvDefineUserData) {
      case .done, .code(TPM.definedCode): return
      case .code: throw .tpmRC
      }
    }
  }

  /// Reading from offset 0 is what makes the paravisor look for news.
  private func readReport() throws(FailureToken) -> [UInt8] {
    let index = TPMCommand.reportIndex
    let total = try NVIndex(tpm.run(.nvReadPublic(index: index)), index: index).dataBytes
    guard total <= Self.reportBytesMax else { throw .hclSize }
    var bytes: [UInt8] = []
    while bytes.count < total {
      let wanted = min(Self.pieceBytesMax, total - bytes.count)
      var reader = TPMReader(
        try tpm.run(.nvRead(index: index, bytes: wanted, offset: bytes.count)))
      let piece = try reader.sized()
      try reader.end()
      guard piece.count == wanted else { throw .tpmResponse }
      bytes += piece
    }
    return bytes
  }

  /// A TPM gives eight values at most, so it is asked for what is missing until nothing is.
  private func readRegisters() throws(FailureToken) -> [[UInt8]] {
    var registers = [[UInt8]](repeating: [], count: PCRSelection.registerCount)
    var missing = PCRSelection.all
    while missing.bits != 0 {
      let answer = try PCRValues(tpm.run(.pcrRead(missing)), asked: missing)
      let named = registers.indices.filter { answer.selection.bits >> $0 & 1 == 1 }
      for (register, value) in zip(named, answer.values) { registers[register] = value }
      missing.bits &= ~answer.selection.bits
    }
    return registers
  }

  // MARK: Search

  private static func contains(_ text: [UInt8], _ wanted: [UInt8]) -> Bool {
    guard text.count >= wanted.count else { return false }
    return (0...text.count - wanted.count).contains { text[$0...].starts(with: wanted) }
  }

  /// Digits of either case.
  private static func contains(_ text: [UInt8], hex bytes: [UInt8]) -> Bool {
    let lower = text.map { (UInt8(ascii: "A")...UInt8(ascii: "F")).contains($0) ? $0 | 0x20 : $0 }
    return contains(lower, Array(Hex.text(bytes.span).utf8))
  }
}

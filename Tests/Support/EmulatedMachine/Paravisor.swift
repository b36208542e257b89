public import PMAttest
import PMSystem

/// Stands before a TPM as Azure's paravisor does: reading the report from its start makes a new
/// one, with the guest's bytes of that moment, if two seconds have passed since the last;
/// otherwise the old one comes.
public final class Paravisor: TPMTransport {
  private static let keptMilliseconds: UInt64 = 2000
  /// What a software TPM allows for one index; older hosts of Azure have as much.
  private static let blobBytes = 2048
  private static let pieceBytes = 1024

  private let tpm: any TPMTransport
  private let evidence: SyntheticEvidence
  private let clock: EmulatedClock
  private let failing: () -> FailureToken?
  private let modulus: [UInt8]
  private var madeAt: Instant
  /// True while the paravisor fails to make a new report, which it does not tell.
  public var isStuck = false

  /// Defines the index of the report and puts a first one there, without bytes of the guest's.
  public init(
    _ tpm: any TPMTransport, evidence: SyntheticEvidence, clock: EmulatedClock,
    failing: @escaping () -> FailureToken? = { nil }
  ) throws {
    (self.tpm, self.evidence, self.clock, self.failing) = (tpm, evidence, clock, failing)
    let key = try tpm.exchange(TPMWords.readKey)
    guard TPMWords.code(key) == 0, key.count >= 36 + 256 else { throw EmulationError.answer }
    modulus = Array(key[36..<36 + 256])
    madeAt = clock.now
    let defined = try tpm.exchange(TPMWords.define(TPMWords.reportIndex, bytes: Self.blobBytes))
    guard TPMWords.code(defined) == 0 else { throw EmulationError.answer }
    try renew()
  }

  public func exchange(_ command: [UInt8]) throws(FailureToken) -> [UInt8] {
    if let token = failing() { throw token }
    let asksFromStart =
      command.count == 35 && TPMWords.code(command) == 0x14E
      && Array(command[14..<18]) == TPMWords.big32(TPMWords.reportIndex)
      && command.suffix(2).elementsEqual([0, 0])
    if asksFromStart, !isStuck,
      clock.now.millisecondsSince(madeAt) >= Self.keptMilliseconds
    {
      do { try renew() } catch { throw .tpmIO }
    }
    return try tpm.exchange(command)
  }

  private func renew() throws {
    let answer = try tpm.exchange(TPMWords.read(TPMWords.userDataIndex, bytes: 64, at: 0))
    let userData = TPMWords.firstSized(answer) ?? [UInt8](repeating: 0, count: 64)
    let blob = try evidence.blob(modulus: modulus, userData: userData, bytes: Self.blobBytes)
    for offset in stride(from: 0, to: blob.count, by: Self.pieceBytes) {
      let piece = Array(blob[offset..<offset + Self.pieceBytes])
      let answer = try tpm.exchange(TPMWords.write(TPMWords.reportIndex, piece, at: offset))
      guard TPMWords.code(answer) == 0 else { throw EmulationError.answer }
    }
    madeAt = clock.now
  }

  /// Extends a register, as a guest does that measures something.
  public func extend(register: Int, with digest: [UInt8]) throws {
    let answer = try tpm.exchange(TPMWords.extend(UInt32(register), digest))
    guard TPMWords.code(answer) == 0 else { throw EmulationError.answer }
  }
}

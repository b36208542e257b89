import EmulatedMachine
import PMCrypto
import PMJSON
import PMSystem
import Testing
import Vectors

@testable import PMAttest

/// The inputs of the recorded sequence, and what becomes of it.
enum Recorded {
  struct Inputs {
    let key: Digest256
    let nonce: Nonce
    let claims: [UInt8]
    let userData: [UInt8]
  }

  static func inputs() throws -> Inputs {
    let inputs = try Vectors.json("tpm/exchanges.json")["inputs"]
    guard let key = inputs?["spki_sha256"]?.string.flatMap({ Digest256(hex: $0) }),
      let nonce = inputs?["nonce"]?.string.flatMap({ Nonce(hex: $0) }),
      let claims = inputs?["claims_utf8"]?.string,
      let userData = inputs?["user_data"]?.string.flatMap({ Hex.bytes($0) })
    else { throw VectorError.noMember }
    return Inputs(key: key, nonce: nonce, claims: Array(claims.utf8), userData: userData)
  }

  static func collector(
    _ transport: any TPMTransport, pause: @escaping @Sendable (UInt64) -> Void = { _ in }
  ) -> EvidenceCollector {
    // The machine is used on this thread only, as in the product.
    nonisolated(unsafe) let transport = transport
    let machine = Machine(
      kernelRecords: { [] }, journalEntries: { [] },
      deviceNumbers: { (_) throws(FailureToken) in throw .tpmMissing },
      openReportDevice: { () throws(FailureToken) in throw .deviceMissing },
      openTPM: { unsafe transport }, pause: pause, random: randomBytes)
    return EvidenceCollector(machine: machine, platform: .azure)
  }

  static func prepare(_ collector: EvidenceCollector) throws -> Preparation {
    let inputs = try inputs()
    return try collector.prepare(key: inputs.key, claims: inputs.claims, nonce: inputs.nonce)
  }

  /// What a run over these exchanges ends with.
  static func fault(_ exchanges: [Exchange]) throws -> FailureToken? {
    let inputs = try inputs()
    let collector = collector(RecordedTPM(exchanges))
    return token { () throws(FailureToken) in
      _ = try collector.prepare(key: inputs.key, claims: inputs.claims, nonce: inputs.nonce)
    }
  }
}

@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct AzureCollectorTests {
  // MARK: The recorded sequence

  @Test func theRecordedSequenceGivesTheRecordedDocument() throws {
    let transport = RecordedTPM(try Exchange.recorded("sequence"))
    let preparation = try Recorded.prepare(Recorded.collector(transport))
    #expect(transport.isFinished)
    let bytes = try Vectors.file("tpm/evidence.json")
    let recorded = try EvidenceDocument(bytes)
    #expect(preparation.evidence == recorded.body)
    #expect(preparation.attempts == 1)
    #expect(preparation.certificates.isEmpty)
    let made = EvidenceDocument(
      nonce: preparation.nonce, claims: preparation.claims, key: preparation.key,
      chain: recorded.chain, body: preparation.evidence)
    #expect(try JSONReader.read(made.json) == JSONReader.read(bytes))
  }

  /// Pauses are the three seconds that a refresh takes, and nothing else.
  @Test func aRefreshIsWaitedForOnce() throws {
    let pauses = Shared<[UInt64]>([])
    _ = try Recorded.prepare(
      Recorded.collector(RecordedTPM(try Exchange.recorded("sequence"))) { milliseconds in
        pauses.change { $0.append(milliseconds) }
      })
    #expect(pauses.value == [3000])
  }

  // MARK: The index of the guest

  @Test func anIndexThatIsThereIsNotDefined() throws {
    var sequence = try Exchange.recorded("sequence")
    let (missing, define) = (1, 2)
    sequence[missing].answer =
      [0x80, 1, 0, 0, 0, 0x3E, 0, 0, 0, 0, 0, 0x0E, 1, 0x40, 0, 2, 0, 0x0B, 0x20, 2, 0, 2, 0, 0]
      + [0, 64, 0, 0x22] + [UInt8](repeating: 0, count: 0x22)
    sequence.remove(at: define)
    #expect(try Recorded.fault(sequence) == nil)
    // One of another size would never carry exactly our bytes.
    sequence[missing].answer[25] = 32
    #expect(try Recorded.fault(sequence) == .tpmObject)
  }

  @Test func anIndexThatAnotherDefinedMeanwhileIsTaken() throws {
    var sequence = try Exchange.recorded("sequence")
    sequence[2].answer = refusal(0x14C)
    #expect(try Recorded.fault(sequence) == nil)
    sequence[2].answer = refusal(0x2D5)
    #expect(try Recorded.fault(sequence) == .tpmRC)
  }

  @Test(
    arguments: [
      ("ReadPublic", 0x18B, FailureToken.tpmObject), ("NV_ReadPublic", 0x921, .tpmRC),
      ("NV_Write", 0x28B, .tpmObject), ("NV_Write", 0x1D5, .tpmRC), ("NV_Read", 0x28B, .tpmObject),
      ("NV_Read", 0x14A, .tpmRC), ("NV_Read", 0x146, .tpmRC), ("PCR_Read", 0x1C4, .tpmRC),
      ("Quote", 0x18B, .tpmObject), ("Quote", 0x1D5, .tpmRC),
    ] as [(String, UInt32, FailureToken)])
  func aRefusalEndsTheSequence(_ name: String, _ code: UInt32, _ token: FailureToken) throws {
    var sequence = try Exchange.recorded("sequence")
    let place = try #require(sequence.indices.first { sequence[$0].name == name })
    sequence[place].answer = refusal(code)
    #expect(try Recorded.fault(sequence) == token)
  }

  @Test(arguments: [(4096, FailureToken.tpmIO), (4097, .hclSize), (0, .hclSize), (0x4D3, .tpmIO)])
  func aReportIndexOfOddSize(_ bytes: Int, _ token: FailureToken) throws {
    var sequence = try Exchange.recorded("sequence")
    let place = try #require(
      sequence.indices.last { sequence[$0].name == "NV_ReadPublic" })
    sequence[place].answer[24] = UInt8(bytes >> 8)
    sequence[place].answer[25] = UInt8(bytes & 0xFF)
    // Sizes that are read lead to commands that the record does not have.
    #expect(try Recorded.fault(sequence) == token)
  }

  @Test func aReportThatNamesAnotherKeyIsRefused() throws {
    var sequence = try Exchange.recorded("sequence")
    sequence[0].answer[40] ^= 1
    #expect(try Recorded.fault(sequence) == .tpmObject)
  }

  // MARK: The window in which the old report comes

  /// Emulated as Azure does it: every reading renews a report that is two seconds old.
  private static func paravisor(_ clock: EmulatedClock) throws -> Paravisor {
    try Paravisor(EmulatedTPM(), evidence: SyntheticEvidence(.azure), clock: clock)
  }

  @Test func anOldReportTwiceAndThenANewOne() throws {
    let clock = EmulatedClock()
    let paravisor = try Self.paravisor(clock)
    nonisolated(unsafe) let stuck = paravisor
    unsafe stuck.isStuck = true
    let pauses = Shared<[UInt64]>([])
    let preparation = try Recorded.prepare(
      Recorded.collector(paravisor) { milliseconds in
        clock.pause(milliseconds: milliseconds)
        pauses.change { $0.append(milliseconds) }
        if pauses.value.count == 3 { unsafe stuck.isStuck = false }
      })
    #expect(preparation.attempts == 3)
    #expect(pauses.value == [3000, 3000, 3000])
  }

  @Test func aReportThatStaysOldIsStale() throws {
    let clock = EmulatedClock()
    let paravisor = try Self.paravisor(clock)
    paravisor.isStuck = true
    let pauses = Shared<[UInt64]>([])
    let inputs = try Recorded.inputs()
    let collector = Recorded.collector(paravisor) { milliseconds in
      clock.pause(milliseconds: milliseconds)
      pauses.change { $0.append(milliseconds) }
    }
    let fault = token { () throws(FailureToken) in
      _ = try collector.prepare(key: inputs.key, claims: inputs.claims, nonce: inputs.nonce)
    }
    #expect(fault == .hclStale)
    #expect(pauses.value == [3000, 3000, 3000, 3000, 3000])
  }

  @Test func aClockThatRunsSlowOnlyCostsAttempts() throws {
    let clock = EmulatedClock()
    let preparation = try Recorded.prepare(
      Recorded.collector(try Self.paravisor(clock)) { _ in clock.pause(milliseconds: 700) })
    #expect(preparation.attempts == 3)
  }

  // MARK: Registers that change

  /// Extends a register between reading and quoting, this many times.
  private static func meddle(
    _ times: Int
  ) throws -> (fault: FailureToken?, quotes: Int) {
    let clock = EmulatedClock()
    let paravisor = try Self.paravisor(clock)
    var left = times
    let transport = ScriptedTPM { (command) throws(FailureToken) in
      if code(command) == 0x158, left > 0 {
        left -= 1
        guard (try? paravisor.extend(register: 15, with: [UInt8](repeating: 1, count: 32))) != nil
        else { throw .tpmIO }
      }
      return try paravisor.exchange(command)
    }
    let inputs = try Recorded.inputs()
    let collector = Recorded.collector(transport) { clock.pause(milliseconds: $0) }
    let fault = token { () throws(FailureToken) in
      _ = try collector.prepare(key: inputs.key, claims: inputs.claims, nonce: inputs.nonce)
    }
    return (fault, transport.commands.filter { code($0) == 0x158 }.count)
  }

  @Test(arguments: [0, 1, 2]) func aRegisterThatChangedIsReadAgain(_ times: Int) throws {
    let (fault, quotes) = try Self.meddle(times)
    #expect(fault == nil && quotes == times + 1)
  }

  @Test func registersThatNeverRestGiveNoEvidence() throws {
    let (fault, quotes) = try Self.meddle(.max)
    #expect(fault == .quotePCR && quotes == 3)
  }
}

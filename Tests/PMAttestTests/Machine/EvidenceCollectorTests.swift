import EmulatedMachine
import PMCrypto
import PMSystem
import Testing
import Vectors

@testable import PMAttest

/// From the hardware to a verdict, under the synthetic roots.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct EvidenceCollectorTests {
  private static let at = WallTime(rfc3339: "2026-11-22T00:00:00Z")

  static func verdict(
    _ platform: Platform, _ preparation: Preparation, _ nonce: Nonce,
    _ body: EvidenceDocument.Body, chain: [[UInt8]]
  ) throws -> (Verdict, FailureToken?) {
    let document = EvidenceDocument(
      nonce: nonce, claims: preparation.claims, key: preparation.key, chain: chain, body: body)
    var rules = Rules()
    rules.platform = platform
    let verifier = Verifier(
      anchors: try EmulatedMachine.anchors(), at: try #require(at), rules: rules)
    let appraisal = verifier.verify(
      document: document.json, nonce: nonce, key: preparation.key, occasion: .gate)
    return (appraisal.verdict, appraisal.token)
  }

  static func claims(_ platform: Platform) -> [UInt8] {
    Array(#"{"platform":"\#(platform.rawValue)","v":1}"#.utf8)
  }

  static func key() throws -> Digest256 { try Recorded.inputs().key }

  @Test(arguments: Platform.allCases)
  func evidenceForTheGateAndForEachClientIsProven(_ platform: Platform) throws {
    let emulated = try EmulatedMachine(platform: platform)
    #expect(try !emulated.machine.kernelLine(for: platform).isEmpty)
    let chain = try EmulatedMachine.chain(platform == .snp ? .baseline : .azure)
    let collector = EvidenceCollector(machine: emulated.machine, platform: platform)
    let first = emulated.machine.nonce()
    let preparation = try collector.prepare(
      key: try Self.key(), claims: Self.claims(platform), nonce: first)
    let gate = try Self.verdict(platform, preparation, first, preparation.evidence, chain: chain)
    #expect(gate == (.proven, nil))
    for _ in 0..<2 {
      let nonce = emulated.machine.nonce()
      let body = try collector.collect(nonce, for: preparation)
      #expect(try Self.verdict(platform, preparation, nonce, body, chain: chain) == (.proven, nil))
      // Evidence answers one question and no other.
      let replayed = try Self.verdict(platform, preparation, first, body, chain: chain)
      #expect(replayed.0 == .rejected)
    }
  }

  @Test func theHostsTableHoldsTheChain() throws {
    let emulated = try EmulatedMachine(platform: .snp)
    let collector = EvidenceCollector(machine: emulated.machine, platform: .snp)
    let preparation = try collector.prepare(
      key: try Self.key(), claims: Self.claims(.snp), nonce: emulated.machine.nonce())
    let table = try CertificateTable(preparation.certificates)
    let chain = try EmulatedMachine.chain(.baseline)
    #expect(table.vcek == chain[0] && table.intermediate == chain[1] && table.ark == chain[2])
    #expect(preparation.report.count == 1184)
  }

  /// Two keys live at a time while a certificate is exchanged.
  @Test(arguments: Platform.allCases)
  func eachPreparationKeepsItsKey(_ platform: Platform) throws {
    let emulated = try EmulatedMachine(platform: platform)
    let chain = try EmulatedMachine.chain(platform == .snp ? .baseline : .azure)
    let collector = EvidenceCollector(machine: emulated.machine, platform: platform)
    let other = try #require(Digest256(hex: String(repeating: "09", count: 32)))
    let old = try collector.prepare(
      key: try Self.key(), claims: Self.claims(platform), nonce: emulated.machine.nonce())
    let new = try collector.prepare(
      key: other, claims: Self.claims(platform), nonce: emulated.machine.nonce())
    for preparation in [old, new, old] {
      let nonce = emulated.machine.nonce()
      let body = try collector.collect(nonce, for: preparation)
      #expect(
        try Self.verdict(platform, preparation, nonce, body, chain: chain) == (.proven, nil))
    }
  }

  // MARK: Change and failure

  @Test func changedFirmwareAsksForTheGateAgain() throws {
    let shared = Shared(EmulatedMachine.Script())
    let emulated = try EmulatedMachine(platform: .snp, script: { shared.value })
    let collector = EvidenceCollector(machine: emulated.machine, platform: .snp)
    func prepare() throws -> Preparation {
      try collector.prepare(
        key: try Self.key(), claims: Self.claims(.snp), nonce: emulated.machine.nonce())
    }
    let before = try prepare()
    shared.change { $0.chip = .strict }
    #expect(throws: CollectionFault.firmwareChanged) {
      try collector.collect(emulated.machine.nonce(), for: before)
    }
    let after = try prepare()
    let nonce = emulated.machine.nonce()
    let body = try collector.collect(nonce, for: after)
    let chain = try EmulatedMachine.chain(.strict)
    #expect(try Self.verdict(.snp, after, nonce, body, chain: chain) == (.proven, nil))
  }

  @Test(arguments: Platform.allCases)
  func aFailureOfTheDeviceIsPassedOn(_ platform: Platform) throws {
    let shared = Shared(EmulatedMachine.Script())
    let emulated = try EmulatedMachine(platform: platform, script: { shared.value })
    let collector = EvidenceCollector(machine: emulated.machine, platform: platform)
    let preparation = try collector.prepare(
      key: try Self.key(), claims: Self.claims(platform), nonce: emulated.machine.nonce())
    for token: FailureToken in [.deviceBusy, .tpmIO, .deviceKeyDisabled] {
      shared.change { $0.call = token }
      #expect(throws: CollectionFault.failed(token)) {
        try collector.collect(emulated.machine.nonce(), for: preparation)
      }
    }
    shared.change { $0.call = nil }
    #expect(throws: Never.self) {
      try collector.collect(emulated.machine.nonce(), for: preparation)
    }
  }

  /// After an input or output error the descriptor may hold an answer that nobody asked for.
  @Test func aTPMThatFailedIsOpenedAnew() throws {
    let opened = Shared(0)
    let machine = Machine(
      kernelRecords: { [] }, journalEntries: { [] },
      deviceNumbers: { (_) throws(FailureToken) in throw .tpmMissing },
      openReportDevice: { () throws(FailureToken) in throw .deviceMissing },
      openTPM: {
        opened.change { $0 += 1 }
        let token: FailureToken = opened.value == 1 ? .tpmIO : .tpmResponse
        return ScriptedTPM { (_) throws(FailureToken) in throw token }
      }, pause: { _ in }, random: randomBytes)
    let collector = EvidenceCollector(machine: machine, platform: .azure)
    let key = try Self.key()
    for expected: FailureToken in [.tpmIO, .tpmResponse, .tpmResponse] {
      let fault = token { () throws(FailureToken) in
        _ = try collector.prepare(key: key, claims: Self.claims(.azure), nonce: machine.nonce())
      }
      #expect(fault == expected)
    }
    #expect(opened.value == 2)
  }

  @Test func aMissingDeviceIsSaid() throws {
    let key = try Self.key()
    for (platform, expected) in [(Platform.snp, FailureToken.deviceMissing), (.azure, .tpmMissing)]
    {
      let collector = EvidenceCollector(machine: .inert(), platform: platform)
      let fault = token { () throws(FailureToken) in
        _ = try collector.prepare(
          key: key, claims: Self.claims(platform), nonce: Machine.inert().nonce())
      }
      #expect(fault == expected)
    }
  }

  // MARK: A real TPM

  @Test(.enabled(if: SoftwareTPM.isInstalled, Comment(rawValue: SoftwareTPM.missing)))
  func aRealTPMGivesEvidenceThatIsProven() throws {
    let clock = EmulatedClock()
    let paravisor = try Paravisor(
      SoftwareTPM(), evidence: SyntheticEvidence(.azure), clock: clock)
    let collector = Recorded.collector(paravisor) { clock.pause(milliseconds: $0) }
    let chain = try EmulatedMachine.chain(.azure)
    let first = Nonce.random()
    let preparation = try collector.prepare(
      key: try Self.key(), claims: Self.claims(.azure), nonce: first)
    #expect(preparation.attempts == 1)
    #expect(
      try Self.verdict(.azure, preparation, first, preparation.evidence, chain: chain)
        == (.proven, nil))
    try paravisor.extend(register: 15, with: [UInt8](repeating: 3, count: 32))
    let nonce = Nonce.random()
    let body = try collector.collect(nonce, for: preparation)
    #expect(try Self.verdict(.azure, preparation, nonce, body, chain: chain) == (.proven, nil))
  }

  /// The same window as with the emulated TPM: old bytes until two seconds have passed.
  @Test(.enabled(if: SoftwareTPM.isInstalled, Comment(rawValue: SoftwareTPM.missing)))
  func aRealTPMWithAnOldReportIsWaitedFor() throws {
    let clock = EmulatedClock()
    let paravisor = try Paravisor(
      SoftwareTPM(), evidence: SyntheticEvidence(.azure), clock: clock)
    let slow = Recorded.collector(paravisor) { _ in clock.pause(milliseconds: 700) }
    let preparation = try Recorded.prepare(slow)
    #expect(preparation.attempts == 3)
    paravisor.isStuck = true
    let other = try #require(Digest256(hex: String(repeating: "09", count: 32)))
    let fault = token { () throws(FailureToken) in
      _ = try slow.prepare(key: other, claims: preparation.claims, nonce: preparation.nonce)
    }
    #expect(fault == .hclStale)
  }
}

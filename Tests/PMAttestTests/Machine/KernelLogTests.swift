import CLinux
import PMJSON
import PMSystem
import Seeded
import Testing
import Vectors

@testable import PMAttest

@Suite struct KernelLogTests {
  struct Case: Sendable, CustomStringConvertible {
    let name: String
    let records: [[UInt8]]
    let expected: [Platform: String]
    var description: String { name }
  }

  static let cases: [Case] = load(fixture)

  private static var fixture: JSONValue? {
    let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let bytes = try? FileIO.read("/\(folder)/Fixtures/kmsg.json", bytesMax: 1 << 20)
    return bytes.flatMap { try? JSONReader.read($0) }
  }

  private static func load(_ document: JSONValue?) -> [Case] {
    (document?["cases"]?.array ?? []).map { item in
      var expected: [Platform: String] = [:]
      for platform in Platform.allCases { expected[platform] = item[platform.rawValue]?.string }
      return Case(
        name: item["name"]?.string ?? "",
        records: item["records"]?.array?.compactMap(\.string).map { Array($0.utf8) } ?? [],
        expected: expected)
    }
  }

  private static func fault(_ log: KernelLog, _ platform: Platform) -> FailureToken? {
    token { () throws(FailureToken) in _ = try log.line(for: platform) }
  }

  private func fault(_ records: [String], _ platform: Platform) -> FailureToken? {
    Self.fault(KernelLog(records: records.map { Array($0.utf8) }), platform)
  }

  @Test func theCasesAreThere() { #expect(Self.cases.count >= 18) }

  @Test(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
  func theFixtureIsTheVector() throws {
    #expect(try Vectors.json("kmsg/cases.json")["cases"] == Self.fixture?["cases"])
  }

  @Test(arguments: cases)
  func theCasesAreJudgedAsWritten(_ item: Case) {
    let log = KernelLog(records: item.records)
    for platform in Platform.allCases {
      let verdict = Self.fault(log, platform)?.rawValue ?? "accept"
      #expect(verdict == item.expected[platform], "\(item.name) on \(platform.rawValue)")
    }
  }

  @Test(arguments: [
    "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP",
    "AMD Memory Encryption Features active: SEV SEV-ES SEV-SNP",
  ])
  func theMatchedLineIsGivenBack(_ text: String) throws {
    let log = KernelLog(records: [Array("6,1,2,-;\(text)\n".utf8)])
    #expect(try log.line(for: .snp) == text)
  }

  @Test func whatUserSpaceWroteDoesNotCount() {
    let text = "Memory Encryption Features active: AMD SEV SEV-SNP\n"
    #expect(fault(["12,1,2,-;" + text], .snp) == .kmsgUnreadable)
    #expect(fault(["8,1,2,-;" + text], .snp) == .kmsgUnreadable)
    #expect(fault(["7,1,2,-;" + text], .snp) == nil)
  }

  @Test func aContinuationNeedsAMessageBeforeIt() {
    let rest = "6,2,3,c;Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP\n"
    #expect(fault([rest], .snp) == .kmsgUnreadable)
    #expect(fault(["6,1,2,-;before \n", rest], .snp) == .kmsgNoSNP)
    let start = "6,1,2,-;Memory Encryption Features active:\n"
    #expect(fault([start, "6,2,3,+; SEV-SNP\n"], .snp) == nil)
    #expect(fault([start, "6,2,3,-; SEV-SNP\n"], .snp) == .kmsgNoSNP)
  }

  @Test func isolationNeedsAParavisorAndTheKindSNP() {
    let memory = "6,1,2,-;Memory Encryption Features active: AMD SEV\n"
    func isolation(_ a: String, _ b: String) -> FailureToken? {
      fault(
        [memory, "6,2,3,-;Hyper-V: Isolation Config: Group A 0x\(a), Group B 0x\(b)\n"], .azure)
    }
    #expect(isolation("1", "ba2") == nil)
    #expect(isolation("00000001", "00000ba2") == nil)
    for (a, b) in [
      ("0", "ba2"), ("1", "ba3"), ("1", "BA2"), ("1", "ba2 "), ("000000001", "ba2"), ("", "ba2"),
      ("1", ""), ("1 ", "2"), ("-1", "2"),
    ] {
      #expect(isolation(a, b) == .kmsgNoIsolation, "\(a) \(b)")
    }
  }

  /// Unicode would call some of these equal to the ASCII text.
  @Test func bytesAreComparedAndNotCharacters() {
    let start = "6,1,2,-;Memory Encryption Features active: AMD SEV"
    #expect(fault([start + " SEV\u{2010}SNP\n"], .snp) == .kmsgNoSNP)
    #expect(fault([start + " SEV-SNP\u{301}\n"], .snp) == .kmsgNoSNP)
    #expect(fault([start + "\u{A0}SEV-SNP\n"], .snp) == .kmsgNoSNP)
  }

  /// A seeded stand-in for a fuzzer: whatever the device gives, there is a verdict and no trap.
  @Test func damagedRecordsNeverTrap() {
    var random = SeededRandom(seed: 42)
    let pieces: [[UInt8]] =
      ["6", ",", ";", "-", "c", "\n", " ", "Group A 0x", "18446744073709551616", "é"]
      .map { Array($0.utf8) } + [[0], [0xFF], [0xC3]]
    for _ in 0..<3000 {
      let record = (0..<Int.random(in: 0..<12, using: &random)).flatMap { _ in
        pieces.randomElement(using: &random) ?? []
      }
      var log = KernelLog(records: [record, random.bytes(40), record])
      log.append(journal: [record, random.bytes(40)])
      #expect(Self.fault(log, .snp) != nil)
      #expect(Self.fault(log, .azure) != nil)
    }
  }
}

/// What reading the device gives in odd moments.
@Suite struct KernelLogDeviceTests {
  private static let line = Array(
    "6,1,2,-;Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP\n".utf8)

  private func records(_ results: [Int32: [UInt8]], _ order: [Int32]) -> [[UInt8]] {
    var rest = order[...]
    return KernelLogDevice.records { buffer in
      guard let next = rest.popFirst() else { return -Int(EAGAIN) }
      guard let bytes = results[next] else { return -Int(next) }
      buffer.replaceSubrange(0..<bytes.count, with: bytes)
      return bytes.count
    }
  }

  @Test func readingGoesOnAfterOverwrittenRecordsAndSignals() {
    let log = records([0: Self.line], [EPIPE, EINTR, EPIPE, 0, EINTR, 0])
    #expect(log == [Self.line, Self.line])
  }

  @Test func anyOtherErrorIsTheEnd() {
    #expect(records([0: Self.line], [0, EINVAL, 0]) == [Self.line])
    #expect(records([:], [EPERM]) == [])
  }

  @Test func aRecordOfEightKibibytesIsReadWhole() throws {
    let properties = [UInt8](repeating: UInt8(ascii: "x"), count: 8192 - Self.line.count)
    let log = records([0: Self.line + properties], [0])
    #expect(log.first?.count == 8192)
    #expect(try KernelLog(records: log).line(for: .snp).hasSuffix("SEV-SNP"))
  }

  @Test func signalsForEverEnd() {
    var count = 0
    let log = KernelLogDevice.records { _ in
      count += 1
      return -Int(EINTR)
    }
    #expect(log.isEmpty && count == KernelLogDevice.recordsMax)
  }

  @Test func theDeviceOfThisMachineIsReadWithoutHarm() {
    #expect(KernelLogDevice.records().count <= KernelLogDevice.recordsMax)
  }
}

/// The journal is asked when the kernel has overwritten the start of its log, and then only.
@Suite struct JournalTests {
  private static let late = "5,900,1,-;something else\n"
  private static let early = "5,0,1,-;Linux version\n"
  private static func entry(
    _ message: String, transport: String = "kernel", facility: String = "0"
  ) -> String {
    #"{"MESSAGE":"\#(message)","_TRANSPORT":"\#(transport)","SYSLOG_FACILITY":"\#(facility)"}"#
  }
  private static let snp = "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP"

  private func fault(_ records: [String], _ journal: [String]) -> FailureToken? {
    token { () throws(FailureToken) in
      _ = try Machine.inert(records: records, journal: journal).kernelLine(for: .snp)
    }
  }

  @Test func anOverwrittenLogIsLookedUp() {
    #expect(fault([Self.late], [Self.entry("x"), Self.entry(Self.snp)]) == nil)
    #expect(fault(["14,900,1,-;noise of user space\n"], [Self.entry(Self.snp)]) == nil)
  }

  @Test func aWholeLogIsNot() {
    #expect(fault([Self.early], [Self.entry(Self.snp)]) == .kmsgNoSNP)
    #expect(fault([], [Self.entry(Self.snp)]) == .kmsgUnreadable)
  }

  @Test func onlyTheKernelsOwnEntriesCount() {
    for entry in [
      Self.entry(Self.snp, transport: "journal"), Self.entry(Self.snp, facility: "1"),
      Self.entry("x " + Self.snp), #"{"MESSAGE":"\#(Self.snp)"}"#, "not JSON", "",
      #"{"MESSAGE":[77],"_TRANSPORT":"kernel","SYSLOG_FACILITY":"0"}"#,
    ] {
      #expect(fault([Self.late], [entry]) == .kmsgNoSNP, "\(entry)")
    }
  }

  @Test func aProgramIsReadToItsEnd() {
    let lines = Journal.lines(
      of: "/bin/sh", ["sh", "-c", "echo a; echo b; printf cut"], secondsMax: 60)
    #expect(lines == [Array("a".utf8), Array("b".utf8)])
    #expect(Journal.lines(of: "/no/such/program", ["x"], secondsMax: 10) == [])
  }

  @Test func aProgramThatHangsIsEnded() {
    let start = Instant.now()
    let lines = Journal.lines(of: "/bin/sh", ["sh", "-c", "echo a; exec sleep 60"], secondsMax: 3)
    #expect(lines == [Array("a".utf8)])
    #expect(Instant.now().millisecondsSince(start) < 20_000)
  }

  @Test func aProgramThatNeverEndsIsCut() {
    let lines = Journal.lines(of: "/usr/bin/yes", ["yes"], secondsMax: 60)
    #expect(lines.count * 2 >= Journal.bytesMax - 2)
    #expect(lines.count * 2 <= Journal.bytesMax + 65_536)
  }

  @Test func theJournalOfThisMachineIsReadWithoutHarm() {
    #expect(Journal.entries().reduce(0) { $0 + $1.count } <= Journal.bytesMax + 65_536)
  }
}

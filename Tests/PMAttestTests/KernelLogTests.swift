import PMJSON
import PMSystem
import Testing

@testable import PMAttest

@Suite struct KernelLogTests {
  struct Case: Sendable {
    let name: String
    let records: [String]
    let expected: [Platform: String]
  }

  static let cases: [Case] = load()

  private static func load() -> [Case] {
    let folder = #filePath.split(separator: "/").dropLast().joined(separator: "/")
    guard let bytes = try? FileIO.read("/\(folder)/Fixtures/kmsg.json", bytesMax: 1 << 20),
      let document = try? JSONReader.read(bytes, allowsComments: false),
      let list = document["cases"]?.array
    else { return [] }
    return list.map { item in
      var expected: [Platform: String] = [:]
      for platform in Platform.allCases { expected[platform] = item[platform.rawValue]?.string }
      return Case(
        name: item["name"]?.string ?? "",
        records: item["records"]?.array?.compactMap(\.string) ?? [],
        expected: expected)
    }
  }

  @Test func theVectorsAreThere() { #expect(Self.cases.count >= 18) }

  @Test(arguments: cases)
  func theVectorsAreJudgedAsWritten(_ item: Case) {
    let log = KernelLog(records: item.records)
    for platform in Platform.allCases {
      let verdict = log.fault(for: platform)?.rawValue ?? "accept"
      #expect(verdict == item.expected[platform], "\(item.name) on \(platform.rawValue)")
    }
  }

  @Test func activeSNPIsFoundInBothWordings() {
    for text in [
      "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP",
      "AMD Memory Encryption Features active: SEV SEV-ES SEV-SNP",
    ] {
      #expect(KernelLog(records: ["6,1,2,-;\(text)\n"]).fault(for: .snp) == nil)
    }
  }

  @Test func aBootParameterThatLooksLikeTheMessageIsNotIt() {
    let record = "6,1,2,-;Command line: x='Memory Encryption Features active: AMD SEV-SNP'\n"
    #expect(KernelLog(records: [record]).fault(for: .snp) == .kmsgNoSNP)
  }

  @Test func whatUserSpaceWroteDoesNotCount() {
    let record = "12,1,2,-;Memory Encryption Features active: AMD SEV SEV-SNP\n"
    #expect(KernelLog(records: [record]).fault(for: .snp) == .kmsgUnreadable)
  }

  @Test func isolationNeedsAParavisorAndTheKindSNP() {
    let memory = "6,1,2,-;Memory Encryption Features active: AMD SEV\n"
    func fault(_ a: String, _ b: String) -> FailureToken? {
      let line = "6,2,3,-;Hyper-V: Isolation Config: Group A 0x\(a), Group B 0x\(b)\n"
      return KernelLog(records: [memory, line]).fault(for: .azure)
    }
    #expect(fault("1", "ba2") == nil)
    #expect(fault("0", "ba2") == .kmsgNoIsolation)
    #expect(fault("1", "ba3") == .kmsgNoIsolation)
    #expect(fault("1", "BA2") == .kmsgNoIsolation)
    #expect(fault("1", "ba2 ") == .kmsgNoIsolation)
    #expect(fault("000000001", "ba2") == .kmsgNoIsolation)
  }

  /// A seeded stand-in for a fuzzer: whatever the device gives, there is a verdict and no trap.
  @Test func damagedRecordsNeverTrap() {
    var state: UInt64 = 42
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let pieces = [
      "6", ",", ";", "-", "c", "\n", " ", "Group A 0x", "\u{0}", "é", "18446744073709551616",
    ]
    for _ in 0..<2000 {
      let record = (0..<random(12)).map { _ in pieces[random(pieces.count)] }.joined()
      let log = KernelLog(records: [record, record])
      #expect(log.fault(for: .snp) != nil)
    }
  }
}

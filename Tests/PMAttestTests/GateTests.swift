import Testing

@testable import PMAttest

@Suite struct GateTests {
  static let good: [Platform: [String]] = [
    .snp: ["6,1,2,-;Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP\n"],
    .azure: [
      "6,1,2,-;Hyper-V: Isolation Config: Group A 0x1, Group B 0xba2\n",
      "6,1,2,-;Memory Encryption Features active: AMD SEV\n",
    ],
  ]

  private func gate(_ platform: Platform?, _ records: [String], _ fault: FailureToken?) -> Gate {
    Gate(platform: platform, machine: .inert(records: records, device: fault))
  }

  @Test func thePlatformIsAskedFirst() {
    #expect(gate(nil, [], .deviceMissing).judge() == .configPlatform)
  }

  @Test func theKernelLogComesBeforeTheDevice() {
    #expect(gate(.snp, [], .deviceMissing).judge() == .kmsgUnreadable)
    #expect(gate(.snp, Self.good[.snp] ?? [], .deviceMissing).judge() == .deviceMissing)
  }

  @Test(arguments: Platform.allCases)
  func aMachineThatLooksRightIsStillNotEvidence(_ platform: Platform) {
    #expect(gate(platform, Self.good[platform] ?? [], nil).judge() == .appraiseFailed)
  }
}

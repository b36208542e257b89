import PMCrypto
import PMJSON
import Testing
import Vectors

@testable import PMAttest

/// What both profiles say of every vector whose cryptography is accepted.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct PolicyVectorTests {
  static let vectors: [Vector] = (Vectors.real + Vectors.synthetic).filter {
    (try? $0.text("expect")) == "accept" && ["report", "azure"].contains(try? $0.text("kind"))
  }

  @Test func theVectorsAreThere() { #expect(Self.vectors.count == 21) }

  @Test(arguments: vectors, Profile.allCases)
  func aProfileSaysWhatTheVectorDoes(_ vector: Vector, _ profile: Profile) throws {
    var rules = Rules()
    rules.profile = profile
    let platform = try #require(Platform(rawValue: try vector.text("platform")))
    let found = Policy(rules: rules, platform: platform).judge(try subject(vector))
    let expected = try vector.meta()["policy"]?[profile.rawValue]
    let failures = expected?["fail"]?.array?.compactMap(\.string)
    #expect(found.failures.map(\.rawValue) == failures)
    // The vectors list this one warning; the others inform.
    let warnings = expected?["warn"]?.array?.compactMap(\.string)
    #expect(found.warnings.filter { $0 == .milanWeak }.map(\.rawValue) == warnings)
  }

  @Test func aReportOfAnotherProductOfMicrosoftIsNotTheParavisors() throws {
    let subject = try subject(Vector(path: "real/21-genoa-v3-ms"))
    #expect(Policy(rules: Rules(), platform: .azure).judge(subject).failures == [.idKey])
    #expect(Policy(rules: Rules(), platform: .snp).judge(subject).failures.isEmpty)
  }

  @Test func currentAboveCommittedIsTold() throws {
    let subject = try subject(Vector(path: "real/02-milan-v2"))
    let found = Policy(rules: Rules(), platform: .snp).judge(subject)
    #expect(found.warnings == [.milanWeak, .provisional])
  }

  @Test func theFloorOfAWSIsARowOfTheOperator() throws {
    let subject = try subject(Vector(path: "real/03-milan-v3-vlek-vmpl1"))
    var rules = Rules()
    let row = try #require(Floors.row(text: "Milan/1/1:bl=4,snp=24,ucode=217"))
    rules.minTCB = [row.key: row.floor]
    let found = Policy(rules: rules, platform: .snp).judge(subject)
    #expect(found.failures == [.vmpl])
    #expect(found.warnings.contains(.floorOverride))
    #expect(found.floor == row.floor)
  }
}

private func subject(_ vector: Vector) throws -> Policy.Subject {
  if try vector.text("kind") == "azure" {
    return try #require(try AzureVector(vector).examine().subject)
  }
  let (report, signer, levels) = try Evidence(vector).verify()
  return Policy.Subject(report: report, signer: signer, levels: levels, pcrs: nil)
}

/// Reports as nobody has signed them: the policy looks at fields alone.
@Suite struct PolicyTests {
  private struct Machine {
    var product = Product.genoa
    var version: UInt32 = 3
    var processor: [UInt8] = [0x19, 0x11, 0x01]
    var policy: UInt64 = 0x30000
    var flags: UInt64 = 0x25
    var vmpl: UInt32 = 0
    var firmware: [UInt8] = [49, 55, 1]
    var committedFirmware: [UInt8] = [49, 55, 1]
    var mitigations: (launch: UInt64, current: UInt64) = (0x3F, 0x3F)
    var levels = TCB(bootLoader: 10, tee: 0, snp: 27, microcode: 0x56)
    var reported: TCB?
    var launch: TCB?
    var owner = SigningIdentity.Owner.chip([UInt8](repeating: 0xC1, count: 64))
    var pcrs: [[UInt8]]? = (0..<24).map { .init(repeating: $0, count: 32) }

    func report() throws -> Report {
      var bytes = [UInt8](repeating: 0, count: 1184)
      func put<T: FixedWidthInteger>(_ offset: Int, _ value: T) {
        for index in 0..<T.bitWidth / 8 {
          bytes[offset + index] = UInt8(truncatingIfNeeded: value >> T(8 * index))
        }
      }
      put(0, version)
      put(8, policy)
      put(0x30, vmpl)
      put(0x34, UInt32(1))
      put(0x40, flags)
      put(0x48, UInt32(owner == .chip([UInt8](repeating: 0xC1, count: 64)) ? 0 : 4))
      for index in 0x90..<0xC0 { bytes[index] = 0x3E }
      for index in 0xE0..<0x110 { bytes[index] = 0x1D }
      if version >= 3 { bytes.replaceSubrange(0x188..<0x18B, with: processor) }
      if case .chip(let id) = owner { bytes.replaceSubrange(0x1A0..<0x1A0 + id.count, with: id) }
      bytes.replaceSubrange(0x1E8..<0x1EB, with: firmware)
      bytes.replaceSubrange(0x1EC..<0x1EF, with: committedFirmware)
      if version >= 5 {
        put(0x1F8, mitigations.launch)
        put(0x200, mitigations.current)
      }
      (bytes[0x2A0], bytes[0x2E8]) = (1, 1)
      return try Report(bytes)
    }

    func judge(
      _ profile: Profile = .baseline, _ platform: Platform = .snp,
      _ edit: (inout Rules) -> Void = { _ in }
    ) throws -> Policy.Judgement {
      var rules = Rules()
      rules.profile = profile
      edit(&rules)
      let subject = Policy.Subject(
        report: try report(),
        signer: SigningIdentity(product: product, owner: owner, tcb: levels, publicKey: []),
        levels: PlatformTCB(
          reported: reported ?? levels, committed: levels, current: levels,
          launch: launch ?? levels), pcrs: pcrs)
      return Policy(rules: rules, platform: platform).judge(subject)
    }

    func failures(
      _ profile: Profile = .baseline, _ platform: Platform = .snp,
      _ edit: (inout Rules) -> Void = { _ in }
    ) throws -> [FailureToken] { try judge(profile, platform, edit).failures }
  }

  private static func machine(_ edit: (inout Machine) -> Void) -> Machine {
    var machine = Machine()
    edit(&machine)
    return machine
  }

  @Test(arguments: Profile.allCases)
  func aGoodGenoaPassesBoth(_ profile: Profile) throws {
    let found = try Machine().judge(profile)
    #expect(found.failures.isEmpty && found.warnings.isEmpty)
    #expect(found.floor != nil)
  }

  @Test func everythingThatFailsIsToldInOneOrder() throws {
    let worst = Self.machine {
      ($0.version, $0.policy, $0.vmpl, $0.flags) = (5, 0xF0000, 1, 0)
      ($0.firmware, $0.mitigations) = ([0, 55, 1], (0, 0))
      $0.levels = TCB(bootLoader: 0, tee: 0, snp: 0, microcode: 0)
    }
    let found = try worst.failures(.strict, .azure) {
      $0.expectations.measurements = [[1]]
      $0.expectations.pcrs = [4: [[1]]]
      $0.expectations.chips = [[1]]
      $0.expectations.providers = ["nobody"]
    }
    #expect(
      found == [
        .debug, .migrateMA, .vmpl, .tcbFloor, .fwFloor, .mitigation, .platformInfo, .idKey,
        .measurement, .pcr, .chip, .csp,
      ])
  }

  @Test func milanIsWeakOrRefused() throws {
    let milan = Self.machine {
      ($0.product, $0.processor) = (.milan, [0x19, 1, 1])
      $0.levels = TCB(bootLoader: 4, tee: 0, snp: 0x18, microcode: 0xDB)
    }
    #expect(try milan.judge(.baseline).failures.isEmpty)
    #expect(try milan.judge(.baseline).warnings == [.milanWeak])
    #expect(try milan.failures(.strict) == [.productMilan])
    #expect(try milan.judge(.strict).floor == nil)
    var old = milan
    (old.levels, old.flags) = (TCB(bootLoader: 0, tee: 0, snp: 0, microcode: 0), 0)
    #expect(try old.failures(.strict) == [.productMilan])
    #expect(try old.failures(.baseline) == [.tcbFloor, .platformInfo])
  }

  @Test func everyComponentOfEveryLevelIsHeldToTheFloor() throws {
    let low = [
      TCB(bootLoader: 9, tee: 0, snp: 27, microcode: 0x56),
      TCB(bootLoader: 10, tee: 0, snp: 0x16, microcode: 0x56),
      TCB(bootLoader: 10, tee: 0, snp: 27, microcode: 0x53),
    ]
    for level in low {
      #expect(try Self.machine { $0.reported = level }.failures() == [.tcbFloor])
      #expect(try Self.machine { $0.launch = level }.failures() == [.tcbFloor])
      #expect(try Self.machine { $0.levels = level }.failures() == [.tcbFloor])
    }
    let edge = TCB(bootLoader: 10, tee: 0, snp: 0x17, microcode: 0x54)
    #expect(try Self.machine { $0.levels = edge }.failures().isEmpty)
    #expect(try Self.machine { $0.levels = edge }.failures(.strict) == [.tcbFloor])
  }

  @Test func aProcessorWithoutARowHasNoFloorToStandOn() throws {
    let unknown = Self.machine { $0.processor = [0x19, 0x11, 0x03] }
    #expect(try unknown.failures() == [.tcbFloor])
    #expect(try unknown.judge().floor == nil)
    let key = Floors.Key(.genoa, model: 0x11, stepping: 3)
    let found = try unknown.judge(.strict) { $0.minTCB[key] = Machine().levels }
    #expect(found.failures.isEmpty && found.warnings == [.floorOverride])
    #expect(try Machine().judge { $0.minTCB[key] = Machine().levels }.warnings.isEmpty)
  }

  @Test func aReportThatNamesNoProcessorIsHeldToTheFirstRow() throws {
    let old = Self.machine { ($0.version, $0.flags) = (2, 0) }
    #expect(try old.failures().isEmpty)
    #expect(try old.failures(.strict) == [.platformInfo])
    var low = old
    low.levels = TCB(bootLoader: 10, tee: 0, snp: 0x17, microcode: 0x53)
    #expect(try low.failures() == [.tcbFloor])
  }

  @Test func bothFirmwareVersionsAreHeldToTheStrictFloor() throws {
    for firmware: [UInt8] in [[48, 55, 1], [255, 54, 1], [255, 255, 0]] {
      #expect(try Self.machine { $0.firmware = firmware }.failures(.strict) == [.fwFloor])
      #expect(try Self.machine { $0.committedFirmware = firmware }.failures(.strict) == [.fwFloor])
      #expect(try Self.machine { $0.firmware = firmware }.failures().isEmpty)
    }
    #expect(try Self.machine { $0.firmware = [0, 56, 1] }.failures(.strict).isEmpty)
  }

  @Test func mitigationsAreNeededAtLaunchAndNow() throws {
    let turin = Self.machine {
      ($0.product, $0.version, $0.processor) = (.turin, 5, [0x1A, 2, 1])
      $0.levels = TCB(fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 0x51)
      ($0.firmware, $0.committedFirmware, $0.flags) = ([65, 55, 1], [65, 55, 1], 0x65)
      $0.mitigations = (0x37, 0x37)
    }
    #expect(try turin.failures(.strict).isEmpty)
    for bit: UInt64 in [1, 2, 4, 16, 32] {
      var missing = turin
      missing.mitigations = (0x37 & ~bit, 0x37)
      #expect(try missing.failures(.strict) == [.mitigation])
      #expect(try missing.failures().isEmpty)
      missing.mitigations = (0x37, 0x37 & ~bit)
      #expect(try missing.failures(.strict) == [.mitigation])
    }
    var flags = turin
    flags.flags = 0x25
    #expect(try flags.failures(.strict) == [.platformInfo])
    #expect(try flags.failures().isEmpty)
    var low = turin
    low.levels = TCB(fmc: 0, bootLoader: 1, tee: 1, snp: 4, microcode: 0x51)
    #expect(try low.failures() == [.tcbFloor])
    // Before version 5 a report cannot show them.
    #expect(try Self.machine { $0.mitigations = (0, 0) }.failures(.strict).isEmpty)
  }

  @Test func moreBitsOfThePlatformCanBeAskedFor() throws {
    #expect(try Machine().failures { $0.platformBits = PlatformFlags(rawValue: 0x25) }.isEmpty)
    #expect(
      try Machine().failures { $0.platformBits = PlatformFlags(rawValue: 0x10) }
        == [.platformInfo])
    #expect(try Self.machine { $0.flags = 5 }.failures() == [.platformInfo])
    #expect(try Self.machine { ($0.flags, $0.version) = (5, 2) }.failures().isEmpty)
  }

  @Test func theSignerOfAParavisorIsPinned() throws {
    let signer = [UInt8](repeating: 0x1D, count: 48)
    #expect(try Machine().failures(.baseline, .azure) == [.idKey])
    #expect(try Machine().failures(.baseline, .azure) { $0.idKeys = [signer] }.isEmpty)
    #expect(try Machine().failures(.baseline, .azure) { $0.idKeys = [] } == [.idKey])
    #expect(
      try Machine().failures(.baseline, .azure) { $0.expectations.idKeys = [signer] }.isEmpty)
    // An expectation replaces the list, and counts on the other platform, too.
    let other = [UInt8](repeating: 0x1E, count: 48)
    let both: (inout Rules) -> Void = {
      ($0.idKeys, $0.expectations.idKeys) = ([signer], [other])
    }
    #expect(try Machine().failures(.baseline, .azure, both) == [.idKey])
    #expect(try Machine().failures(.baseline, .snp, both) == [.idKey])
    #expect(ParavisorSigner.accepted.map(\.count) == [48])
    #expect(ParavisorSigner.accepted.map(hex)[0].hasPrefix("942fd93ebde6ea7a96efadea"))
  }

  @Test func expectationsAreAllowLists() throws {
    let measurement = [UInt8](repeating: 0x3E, count: 48)
    #expect(
      try Machine().failures { $0.expectations.measurements = [[9], measurement] }.isEmpty)
    #expect(try Machine().failures { $0.expectations.measurements = [[9]] } == [.measurement])
    let chip = [UInt8](repeating: 0xC1, count: 64)
    #expect(try Machine().failures { $0.expectations.chips = [chip] }.isEmpty)
    #expect(try Machine().failures { $0.expectations.chips = [Array(chip[..<8])] } == [.chip])
    #expect(try Machine().failures { $0.expectations.providers = ["CN=x"] } == [.csp])
    let provider = Self.machine { $0.owner = .provider("CN=x") }
    #expect(try provider.failures { $0.expectations.providers = ["CN=y", "CN=x"] }.isEmpty)
    #expect(try provider.failures { $0.expectations.chips = [chip] } == [.chip])
    let turin = Self.machine { $0.owner = .chip([1, 2, 3, 4, 5, 6, 7, 8]) }
    #expect(try turin.failures { $0.expectations.chips = [[1, 2, 3, 4, 5, 6, 7, 8]] }.isEmpty)
  }

  @Test func onePCRThatDiffersIsEnough() throws {
    let values = (0..<24).map { [UInt8](repeating: $0, count: 32) }
    #expect(
      try Machine().failures { $0.expectations.pcrs = [4: [values[4]], 9: [[0], values[9]]] }
        .isEmpty)
    #expect(
      try Machine().failures { $0.expectations.pcrs = [4: [values[4]], 9: [values[8]]] }
        == [.pcr])
    #expect(try Machine().failures { $0.expectations.pcrs = [4: []] }.isEmpty)
    #expect(try Machine().failures { $0.expectations.pcrs = [24: [values[0]]] } == [.pcr])
    // Without a quote nothing can be said of them.
    let bare = Self.machine { $0.pcrs = nil }
    #expect(try bare.failures { $0.expectations.pcrs = [4: [[0]]] }.isEmpty)
  }
}

@Suite struct FloorsTests {
  @Test func everyKnownProductHasARow() {
    for product in Product.allCases {
      #expect(Floors.rows.contains { $0.key.product == product })
    }
    #expect(Set(Floors.rows.map(\.key)).count == Floors.rows.count)
    for row in Floors.rows {
      #expect((row.strict == nil) == (row.key.product == .milan))
      #expect(row.strict?.isAtLeast(row.baseline) ?? true)
    }
  }

  @Test func rowsAreRead() throws {
    let json = try JSONReader.read(#"{"Genoa/17/1": {"bl":10,"snp":23,"ucode":84}}"#)
    let rows = try #require(json.object.flatMap(Floors.rows))
    let key = Floors.Key(.genoa, model: 0x11, stepping: 1)
    #expect(rows == [key: TCB(bootLoader: 10, tee: 0, snp: 23, microcode: 84)])
    #expect(Floors.row(text: "Genoa/17/1:bl=10,snp=23,ucode=84")?.floor == rows[key])
    #expect(Floors.row(text: "Turin/2/1:fmc=1")?.floor.fmc == 1)
  }

  @Test(arguments: [
    "Genoa/17/1", "Genoa/17/1:", "Genoa/17/1:bl", "Genoa/17/1:bl=", "Genoa/17/1:bl=256",
    "Genoa/17/1:bl=-1", "Genoa/17/1:bl=1,bl=2", "Genoa/17/1:xx=1", "genoa/17/1:bl=1",
    "Genoa/0x11/1:bl=1", "Genoa/17/01:bl=1", "Genoa/17:bl=1", "Genoa/17/1/1:bl=1",
    "Genoa/17/256:bl=1", "Genoa/+17/1:bl=1", "Genoa/17/1:bl=1,", "Genoa/17/1:bl=1:snp=2", "",
  ])
  func whatIsNoRowIsNotRead(_ text: String) { #expect(Floors.row(text: text) == nil) }

  @Test(arguments: [
    #"{"Genoa/17/1":{}}"#, #"{"Genoa/17/1":{"bl":256}}"#, #"{"Genoa/17/1":{"bl":1.5}}"#,
    #"{"Genoa/17/1":{"x":1}}"#, #"{"Rome/1/1":{"bl":1}}"#, #"{"Genoa/17/1":[]}"#,
  ])
  func whatAreNoRowsIsNotRead(_ text: String) throws {
    #expect(try JSONReader.read(text).object.flatMap(Floors.rows) == nil)
  }
}

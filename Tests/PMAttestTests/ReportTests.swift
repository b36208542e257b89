import Seeded
import Testing
import Vectors

@testable import PMAttest

/// The structure of a report, and what binds it to a certificate; reports are signed anew by the
/// test key after each change.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct ReportTests {
  private func evidence(_ name: String) throws -> Evidence {
    try Evidence(Vector(path: "synthetic/cases/\(name)"))
  }

  /// The verdict about a report with these bytes put in and a good signature.
  private func verdict(
    _ name: String, _ edits: (offset: Int, bytes: [UInt8])...
  ) throws -> String {
    try evidence(name).with { item in
      for edit in edits {
        item.report.replaceSubrange(
          edit.offset..<edit.offset + edit.bytes.count, with: edit.bytes)
      }
      item.report = try Forge.signed(item.report)
    }.verdict
  }

  @Test(arguments: ["p02-milan-v3", "p03-genoa-v3", "p05-turin-v5"])
  func aReportSignedAnewIsAccepted(_ name: String) throws {
    #expect(try verdict(name) == "accept")
  }

  @Test func theFieldsAreRead() throws {
    let report = try Report(try evidence("p05-turin-v5").report)
    #expect(report.version == 5 && report.vmpl == 0 && report.guestSVN == 0)
    #expect(report.policy.rawValue == 0x30000 && report.platformFlags.rawValue == 0x25)
    #expect(report.platformFlags.contains(.aliasCheckComplete))
    #expect(!report.platformFlags.contains(.deviceWriteSafe))
    #expect(report.processor == Processor(family: 0x1A, model: 0x02, stepping: 1))
    #expect(report.currentFirmware.text == "1.55.29" && report.committedFirmware.text == "1.55.29")
    #expect(report.launchMitigations == 0x3F && report.currentMitigations == 0x3F)
    #expect(report.migrationReportID == [UInt8](repeating: 0xFF, count: 32))
    #expect(report.reportedTCBBytes == [1, 1, 1, 4, 0, 0, 0, 81])
    #expect(report.measurement.count == 48 && report.reportData.count == 64)
    let older = try Report(try evidence("p02-milan-v3").report)
    #expect(older.launchMitigations == nil && older.currentMitigations == nil)
  }

  /// Each field is filled with a byte of its own, so that none is read from another's place.
  @Test func everyFieldHasItsPlace() throws {
    var bytes = try evidence("p05-turin-v5").report
    let fields: [(field: KeyPath<Report, [UInt8]>, offset: Int, count: Int)] = [
      (\.familyID, 0x010, 16), (\.imageID, 0x020, 16), (\.reportData, 0x050, 64),
      (\.measurement, 0x090, 48), (\.hostData, 0x0C0, 32), (\.idKeyDigest, 0x0E0, 48),
      (\.authorKeyDigest, 0x110, 48), (\.reportID, 0x140, 32), (\.migrationReportID, 0x160, 32),
      (\.reportedTCBBytes, 0x180, 8), (\.chipID, 0x1A0, 64),
    ]
    for (index, item) in fields.enumerated() {
      for place in item.offset..<item.offset + item.count { bytes[place] = 0xA0 + UInt8(index) }
    }
    bytes.replaceSubrange(0x004..<0x008, with: [1, 2, 3, 4])
    bytes.replaceSubrange(0x030..<0x034, with: [0xFF, 0xFF, 0xFF, 0xFF])
    bytes.replaceSubrange(0x1E8..<0x1EB, with: [49, 55, 1])
    bytes.replaceSubrange(0x1EC..<0x1EF, with: [29, 54, 2])
    bytes.replaceSubrange(0x1F8..<0x208, with: [5] + [UInt8](repeating: 0, count: 14) + [6])
    let report = try Report(bytes)
    for (index, item) in fields.enumerated() {
      #expect(
        report[keyPath: item.field]
          == [UInt8](repeating: 0xA0 + UInt8(index), count: item.count))
    }
    #expect(report.guestSVN == 0x0403_0201 && report.vmpl == 0xFFFF_FFFF)
    #expect(report.currentFirmware.text == "1.55.49")
    #expect(report.committedFirmware.text == "2.54.29")
    #expect(report.launchMitigations == 5 && report.currentMitigations == 6 << 56)
    #expect(report.bytes == bytes)
  }

  @Test func guestPolicyNamesWhatTheHostMay() throws {
    func policy(_ value: UInt64) -> GuestPolicy { GuestPolicy(rawValue: value) }
    #expect(!policy(0x3001F).allowsDebugging && !policy(0x3001F).allowsMigration)
    #expect(policy(0xB0000).allowsDebugging && !policy(0xB0000).allowsMigration)
    #expect(policy(0x70000).allowsMigration && !policy(0x70000).allowsDebugging)
  }

  @Test func theLevelsAreReadInTheLayoutOfTheProduct() throws {
    #expect(
      try evidence("p05-turin-v5").verify().tcb.reported
        == TCB(fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81))
    #expect(
      try evidence("p03-genoa-v3").verify().tcb.launch
        == TCB(bootLoader: 10, tee: 0, snp: 23, microcode: 84))
  }

  @Test(arguments: [0, 1, 6, 255] as [UInt8])
  func anUnknownVersionIsRefused(_ version: UInt8) throws {
    #expect(try verdict("p02-milan-v3", (0, [version])) == "version")
    #expect(try verdict("p02-milan-v3", (3, [1])) == "version")
  }

  @Test(arguments: 2...5 as ClosedRange<UInt8>)
  func eachKnownVersionReservesItsBytes(_ version: UInt8) throws {
    // A report of version 2 has no processor.
    let processor: [UInt8] = version == 2 ? [0, 0, 0] : [0x19, 0x01, 0x01]
    func verdict(_ offset: Int) throws -> String {
      try self.verdict("p02-milan-v3", (0, [version]), (0x188, processor), (offset, [1]))
    }
    for offset in [0x1F8, 0x1FF, 0x200, 0x207] {
      #expect(try verdict(offset) == (version == 5 ? "accept" : "reserved"))
    }
    for offset in [0x04C, 0x04F, 0x18B, 0x19F, 0x1EB, 0x1EF, 0x208, 0x29F, 0x330, 0x49F] {
      #expect(try verdict(offset) == "reserved", "\(offset)")
    }
    if version == 2 {
      for offset in [0x188, 0x189, 0x18A] { #expect(try verdict(offset) == "reserved") }
    }
  }

  @Test func guestPolicyHasItsFixedBits() throws {
    #expect(try verdict("p02-milan-v3", (0x00A, [0x01])) == "policy-mbo")
    for bit in 26..<64 {
      let value = 0x30000 | UInt64(1) << bit
      let bytes = (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      #expect(try verdict("p02-milan-v3", (0x008, bytes)) == "policy-mbz", "bit \(bit)")
    }
    #expect(try verdict("p02-milan-v3", (0x008, [0xFF, 0xFF, 0xFF, 0x03])) == "accept")
  }

  @Test func keyInformationHasItsFixedBits() throws {
    for bit in 5..<32 {
      let value = UInt32(1) << bit
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      #expect(try verdict("p02-milan-v3", (0x048, bytes)) == "keyinfo-mbz", "bit \(bit)")
    }
    for kind in 2...7 as ClosedRange<UInt8> {
      #expect(try verdict("p02-milan-v3", (0x048, [kind << 2])) == "signing-key")
    }
    #expect(try verdict("p02-milan-v3", (0x048, [0b00011])) == "accept")
    #expect(try verdict("p06-milan-v3-vlek", (0x048, [0])) == "signer-kind")
  }

  @Test func platformBitsThatAreUnknownAreAccepted() throws {
    let all = [UInt8](repeating: 0xFF, count: 8)
    #expect(try verdict("p02-milan-v3", (0x040, all)) == "accept")
  }

  /// Each defect with all later ones beside it: the first in the order is the verdict.
  @Test func theOrderOfTheStructureIsFixed() throws {
    var report = try evidence("p02-milan-v3").report
    let defects: [(Int, [UInt8], String)] = [
      (0x2A0, [UInt8](repeating: 0, count: 48), "sig-range"), (0x4C, [1], "reserved"),
      (0x48, [7 << 2], "signing-key"), (0x48, [0xFF], "keyinfo-mbz"), (0x0F, [1], "policy-mbz"),
      (0x0A, [0], "policy-mbo"), (0x34, [0], "sig-algo"), (0, [9], "version"),
    ]
    for (offset, bytes, token) in defects {
      report.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      #expect(PMAttestTests.verdict { _ = try Report(report) } == token)
    }
  }

  @Test(arguments: [(0x19, 0x10), (0x1A, 0x00), (0x19, 0x20), (0x1A, 0x12), (0, 0), (0x17, 1)])
  func anotherProcessorIsRefused(_ family: Int, _ model: Int) throws {
    let bytes = [UInt8(family), UInt8(model)]
    #expect(try verdict("p02-milan-v3", (0x188, bytes)) == "fms-product")
  }

  @Test func eachModelHasItsProduct() {
    func product(_ family: UInt8, _ model: UInt8) -> Product? {
      Processor(family: family, model: model, stepping: 0).product
    }
    for model in UInt8.min ... .max {
      let zen: Product? =
        switch model {
        case 0...0x0F: .milan
        case 0x10...0x1F, 0xA0...0xAF: .genoa
        default: nil
        }
      #expect(product(0x19, model) == zen)
      #expect(product(0x1A, model) == (model <= 0x11 ? .turin : nil))
      #expect(product(0x18, model) == nil)
    }
  }

  @Test(arguments: [0x038, 0x180, 0x1E0, 0x1F0])
  func bytesOfALevelWithoutANameAreZero(_ offset: Int) throws {
    for byte in 2..<6 {
      #expect(try verdict("p03-genoa-v3", (offset + byte, [1])) == "tcb-mbz")
    }
    for byte in 4..<7 {
      #expect(try verdict("p05-turin-v5", (offset + byte, [1])) == "tcb-mbz")
    }
  }

  @Test func everyComponentIsThatOfTheCertificate() throws {
    for (name, places) in [("p03-genoa-v3", [0, 1, 6, 7]), ("p05-turin-v5", [0, 1, 2, 3, 7])] {
      let level = try evidence(name).report.bytes(0x180, 8)
      for place in places {
        // Committed and current rise with it, so that the order holds.
        var higher = level
        higher[place] += 1
        #expect(
          try verdict(name, (0x180, higher), (0x1E0, higher), (0x038, higher)) == "tcb-cert")
      }
    }
  }

  @Test func levelsAreInOrderComponentByComponent() throws {
    for (name, places) in [("p03-genoa-v3", [0, 1, 6, 7]), ("p05-turin-v5", [0, 1, 2, 3, 7])] {
      let level = try evidence(name).report.bytes(0x180, 8)
      for place in places {
        var higher = level
        higher[place] += 1
        #expect(try verdict(name, (0x038, higher)) == "accept")
        #expect(try verdict(name, (0x1E0, higher), (0x038, higher)) == "accept")
        #expect(try verdict(name, (0x1E0, higher)) == "tcb-order")
        #expect(try verdict(name, (0x1F0, higher)) == "tcb-order")
        #expect(try verdict(name, (0x1F0, higher), (0x038, higher)) == "accept")
        // One component up does not make up for another one down.
        for other in places where other != place && level[other] > 0 {
          var mixed = higher
          mixed[other] -= 1
          #expect(try verdict(name, (0x1E0, mixed), (0x038, mixed)) == "tcb-order")
        }
      }
    }
  }

  @Test func aLevelIsComparedWithAFloor() {
    let level = TCB(bootLoader: 4, tee: 0, snp: 24, microcode: 219)
    #expect(level.isAtLeast(level))
    #expect(level.isAtLeast(TCB(bootLoader: 3, tee: 0, snp: 24, microcode: 0)))
    #expect(!level.isAtLeast(TCB(bootLoader: 0, tee: 1, snp: 0, microcode: 0)))
    #expect(!level.isAtLeast(TCB(fmc: 1, bootLoader: 0, tee: 0, snp: 0, microcode: 0)))
  }

  @Test func aChipHasItsIdentifierAndNothingBehindIt() throws {
    #expect(try verdict("p05-turin-v5", (0x1A0 + 8, [1])) == "chip-id")
    #expect(try verdict("p05-turin-v5", (0x1A0 + 63, [1])) == "chip-id")
    let none = [UInt8](repeating: 0, count: 64)
    #expect(try verdict("p05-turin-v5", (0x1A0, none)) == "chip-masked")
    #expect(try verdict("p06-milan-v3-vlek", (0x1A0, [1])) == "accept")
  }

  @Test func firmwareVersionsCompareFromTheFront() {
    let version = FirmwareVersion(major: 1, minor: 55, build: 49)
    #expect(version.text == "1.55.49")
    #expect(version < FirmwareVersion(major: 1, minor: 55, build: 50))
    #expect(version < FirmwareVersion(major: 1, minor: 56, build: 0))
    #expect(version < FirmwareVersion(major: 2, minor: 0, build: 0))
    #expect(!(version < version))
  }

  /// A seeded stand-in for a fuzzer: noise of every length, and genuine reports with noise in them.
  @Test func damagedReportsNeverTrap() throws {
    var random = SeededRandom(seed: 3)
    let genuine = try evidence("p03-genoa-v3")
    let signer = try genuine.verify().signer
    for _ in 0..<3000 {
      let noise = random.bytes(Int.random(in: 0...1300, using: &random))
      #expect(PMAttestTests.verdict { _ = try Report(noise) } != "accept")
      var report = genuine.report
      let count = Int.random(in: 1..<40, using: &random)
      let start = Int.random(in: 0..<report.count - count, using: &random)
      report.replaceSubrange(start..<start + count, with: random.bytes(count))
      if report == genuine.report { continue }
      let found = PMAttestTests.verdict { try Report(report).verify(signedBy: signer) }
      #expect(found != "accept", "at \(start)")
    }
  }
}

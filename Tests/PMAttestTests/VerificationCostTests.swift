import PMSystem
import Testing
import Vectors

@testable import PMAttest

/// What one verification costs, printed; the bounds are wide, for a busy machine and a debug build.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)), .serialized)
struct VerificationCostTests {
  private static let timesMeasured: UInt64 = 100
  private static let microsecondsMax: UInt64 = 100_000
  private static let grownBytesMax = 8 << 20

  @Test(arguments: ["d01-snp", "d02-azure"])
  func oneVerificationIsCheap(_ name: String) throws {
    let vector = try DocumentVector(Vector(path: "synthetic/cases/\(name)"))
    for _ in 0..<20 { _ = vector.appraise() }
    let before = try Self.residentBytes()
    let start = Instant.now()
    for _ in 0..<Self.timesMeasured { #expect(vector.appraise().verdict == .proven) }
    let cost = Instant.now().microsecondsSince(start) / Self.timesMeasured
    let grown = try Self.residentBytes() - before
    print("\(name): \(cost) µs a verification, \(grown) bytes grown in \(Self.timesMeasured)")
    #expect(cost < Self.microsecondsMax)
    #expect(grown < Self.grownBytesMax)
  }

  /// Second number of proc_pid_statm(5), in pages of 4 KiB.
  private static func residentBytes() throws -> Int {
    let text = String(decoding: try FileIO.read("/proc/self/statm", bytesMax: 256), as: UTF8.self)
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return try #require(pages) * 4096
  }
}

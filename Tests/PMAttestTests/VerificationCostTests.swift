import PMSystem
import Testing
import Vectors

@testable import PMAttest

/// What one verification costs, printed. Other suites run beside this one, so the calmest of
/// several rounds counts: what each verification kept would be there in every round.
@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)), .serialized)
struct VerificationCostTests {
  private static let rounds = 10
  private static let verificationsInRound = 20
  /// A few milliseconds, with a factor for debug builds and busy machines.
  private static let microsecondsMax: UInt64 = 100_000
  /// Less than one document each.
  private static let grownBytesMax = 128 << 10

  @Test(arguments: ["d01-snp", "d02-azure"])
  func oneVerificationIsCheap(_ name: String) throws {
    let vector = try DocumentVector(Vector(path: "synthetic/cases/\(name)"))
    var cost = UInt64.max
    var grown = Int.max
    for _ in 0..<Self.rounds {
      let before = try Self.residentBytes()
      let start = Instant.now()
      for _ in 0..<Self.verificationsInRound { #expect(vector.appraise().verdict == .proven) }
      let spent = Instant.now().microsecondsSince(start)
      cost = min(cost, spent / UInt64(Self.verificationsInRound))
      grown = min(grown, try Self.residentBytes() - before)
    }
    print("\(name): \(cost) µs a verification, \(max(0, grown)) bytes kept in a round")
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

import PMSystem
import Seeded
import Testing

private func read(_ text: String) -> RequestID? { RequestID(Array(text.utf8).span) }

@Suite struct RequestIDTests {
  @Test func theTextIsReadBack() {
    var random = SeededRandom(seed: 1)
    for _ in 0..<500 {
      let time = WallTime(microseconds: .random(in: 0...4_000_000_000_000_000, using: &random))
      let id = RequestID(at: time, random: (random.next(), random.next()))
      #expect(read(id.text) == id)
      #expect(id.text.utf8.count == RequestID.textBytes)
      #expect(id.time.microseconds == time.microseconds / 1000 * 1000)
    }
  }

  @Test func versionAndVariantAreThoseOfRFC9562() {
    let id = RequestID(at: .init(seconds: 0), random: (.max, .max))
    #expect(id.text == "00000000-0000-7fff-bfff-ffffffffffff")
    #expect(
      RequestID(at: .init(seconds: 0), random: (0, 0)).text
        == "00000000-0000-7000-8000-000000000000")
  }

  @Test func idsSortByTheirTime() {
    let early = RequestID(at: .init(microseconds: 1_000), random: (.max, .max))
    let late = RequestID(at: .init(microseconds: 2_000), random: (0, 0))
    #expect(early < late)
    #expect(early.text < late.text)
  }

  @Test(arguments: [
    "", "0190a5d2-7c3e-7abc-8def-0123456789a", "0190a5d2-7c3e-7abc-8def-0123456789abc",
    "0190A5D2-7c3e-7abc-8def-0123456789ab", "0190a5d2_7c3e-7abc-8def-0123456789ab",
    "0190a5d27-c3e-7abc-8def-0123456789ab", "0190a5d2-7c3e-4abc-8def-0123456789ab",
    "0190a5d2-7c3e-7abc-0def-0123456789ab", "0190a5d2-7c3e-7abc-cdef-0123456789ab",
    "g190a5d2-7c3e-7abc-8def-0123456789ab", "0190a5d2-7c3e-7abc-8def-0123456789a\u{0}",
    "------------------------------------",
  ])
  func anythingElseIsNoID(_ text: String) { #expect(read(text) == nil) }
}

import PMHTTP
import Seeded
import Testing

@Suite struct EventStreamFramerTests {
  /// Offsets, in the whole stream, behind each event.
  private func ends(_ pieces: [ArraySlice<UInt8>]) -> [Int] {
    var framer = EventStreamFramer()
    var (found, base) = ([Int](), 0)
    for piece in pieces {
      let bytes = Array(piece)
      var position = 0
      while let end = framer.nextEnd(bytes.span, &position) {
        if end != position { return [-1] }
        found.append(base + end)
      }
      base += bytes.count
    }
    return found
  }

  /// The definition, without state: a line is blank if nothing but one CR stands before its LF.
  private func naive(_ bytes: [UInt8]) -> [Int] {
    var (found, lineStart) = ([Int](), 0)
    for (offset, byte) in bytes.enumerated() where byte == 0x0A {
      let line = bytes[lineStart..<offset]
      if line.isEmpty || line == [0x0D] { found.append(offset + 1) }
      lineStart = offset + 1
    }
    return found
  }

  private func splits(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
    (0...bytes.count).map { [bytes[..<$0], bytes[$0...]] } + [bytes.indices.map { bytes[$0...$0] }]
  }

  @Test(arguments: [
    ("data: a\n\n", [9]), ("data: a\r\n\r\n", [11]), ("data: a\n\ndata: b\n\n", [9, 18]),
    ("event: x\ndata: a\n\n", [18]), (": comment\n\n", [11]), ("\n\n\n", [1, 2, 3]),
    ("data: a\n", []),
    ("data: a\r\r", []), ("data: a\n\r\n", [10]), ("data: a\r\n\n", [10]), ("\r\r\n", []),
    ("a\r\n\r\r\n\r\n", [8]),
    ("", []), ("data: \r\n\r\n\r\n", [10, 12]),
  ])
  func eventsEndBehindABlankLine(_ text: String, _ wanted: [Int]) {
    let bytes = Array(text.utf8)
    #expect(naive(bytes) == wanted)
    for way in splits(bytes) {
      #expect(ends(way) == wanted, "\(text.debugDescription) \(way.map(\.count))")
    }
  }

  @Test func anySplitGivesTheSameEvents() {
    for seed in UInt64(0)..<400 {
      var random = SeededRandom(seed: seed)
      let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in
        [0x0A, 0x0D, 0x61, 0x0A].randomElement(using: &random) ?? UInt8(0)
      }
      let wanted = naive(bytes)
      for way in splits(bytes) { #expect(ends(way) == wanted, "seed \(seed): \(bytes)") }
      var (pieces, start) = ([ArraySlice<UInt8>](), 0)
      while start < bytes.count {
        let end = Int.random(in: start...bytes.count, using: &random)
        pieces.append(bytes[start..<end])
        start = end
      }
      #expect(ends(pieces) == wanted, "seed \(seed): \(bytes) \(pieces.map(\.count))")
    }
  }
}

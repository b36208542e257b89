import PMSystem
import Seeded
import Testing

@Suite struct ByteBufferTests {
  @Test func beginsEmptyAndOwnsNothing() {
    let buffer = ByteBuffer()
    let (isEmpty, spanCount) = (buffer.isEmpty, buffer.span.count)
    #expect(isEmpty)
    #expect(spanCount == 0)
    #expect(buffer.bytes == [])
  }

  @Test func numbersAreWrittenLikeTheStandardLibraryWritesThem() {
    for value in [0, 1, 9, 10, 15, 16, 255, 256, 4095, 65_536, .max, .max - 1, 1 << 40] {
      var buffer = ByteBuffer()
      buffer.append(hex: value)
      #expect(buffer.text == String(value, radix: 16))
    }
    for value in [0, 7, 10, 99, 100, .max, .min, -1, -10] {
      var buffer = ByteBuffer()
      buffer.append(decimal: value)
      #expect(buffer.text == String(value))
    }
  }

  @Test func emptyThingsMayBeAppended() {
    var buffer = ByteBuffer()
    buffer.append("")
    buffer.append(String())
    buffer.append([UInt8]())
    buffer.append(ByteBuffer().span)
    #expect(buffer.bytes == [])
    buffer.append("x")
    #expect(buffer.text == "x")
  }

  @Test func whatIsNotUTF8IsReplacedInTextAndKeptInBytes() {
    var buffer = ByteBuffer()
    buffer.append([0x61, 0xFF, 0x62])
    #expect(buffer.text == "a\u{FFFD}b")
    #expect(buffer.bytes == [0x61, 0xFF, 0x62])
  }

  @Test func fillCountsOnlyWhatWasWritten() {
    var buffer = ByteBuffer()
    #expect(unsafe buffer.fill(upTo: 8) { _ in -1 } == -1)
    #expect(buffer.bytes == [])
    #expect(unsafe buffer.fill(upTo: 8) { _ in 0 } == 0)
    let written = unsafe buffer.fill(upTo: 8) { room in
      unsafe room.copyBytes(from: [1, 2, 3])
      return 3
    }
    #expect(written == 3)
    #expect(buffer.bytes == [1, 2, 3])
  }

  @Test func wipedAndReleasedBuffersMayBeUsedAgain() {
    var buffer = ByteBuffer(capacityBytes: 1)
    buffer.append("secret")
    buffer.wipe()
    #expect(buffer.bytes == [])
    buffer.append("next")
    buffer.release()
    buffer.append("last")
    #expect(buffer.text == "last")
  }

  /// Against an array that does the same: growth, moving to the front, cutting at both ends.
  @Test func behavesLikeAnArray() {
    for seed in UInt64(0)..<60 {
      var random = SeededRandom(seed: seed)
      var buffer = ByteBuffer()
      var model: [UInt8] = []
      for step in 0..<120 {
        switch Int.random(in: 0..<7, using: &random) {
        case 0, 1:
          let piece = random.bytes(.random(in: 0...1500, using: &random))
          buffer.append(piece)
          model += piece
        case 2:
          buffer.append(byte: UInt8(step))
          model.append(UInt8(step))
        case 3, 4:
          let count = Int.random(in: 0...model.count, using: &random)
          buffer.consume(count)
          model.removeFirst(count)
        case 5:
          let count = Int.random(in: 0...model.count, using: &random)
          buffer.truncate(to: count)
          model.removeLast(model.count - count)
        default:
          if Bool.random(using: &random) { buffer.clear() } else { buffer.release() }
          model = []
        }
        guard buffer.count == model.count, buffer.bytes == model else {
          Issue.record("seed \(seed), step \(step)")
          return
        }
      }
    }
  }
}

import PMSystem
import Testing

@testable import PMWire

@Suite struct SupervisorLinkTests {
  /// What a child understands of bytes that arrive in these pieces.
  private func instructions(_ pieces: [[UInt8]]) throws -> [Instruction] {
    let loop = try EventLoop()
    var pair = try DescriptorPair.stream()
    guard let near = pair.first.take(), let far = pair.second.take() else { return [] }
    var heard: [Instruction] = []
    let reader = OrderReader(near, in: loop) { heard.append($0) }
    try loop.add(reader)
    for piece in pieces {
      _ = send(piece.span, to: far)
      // A piece is at most a few receives long.
      for _ in 0..<8 { loop.turn(waitMillisecondsMax: 0) }
    }
    return heard
  }

  private let reload = Array(Instruction.reload.line.utf8)
  private let drain = Array(Instruction.drainVendor.line.utf8)

  @Test func linesAreReadHoweverTheyArrive() throws {
    let bytes = reload + drain
    for cut in 0...bytes.count {
      let pieces = [Array(bytes[..<cut]), Array(bytes[cut...])].filter { !$0.isEmpty }
      #expect(try instructions(pieces) == [.reload, .drainVendor], "\(cut)")
    }
  }

  @Test func otherLinesAreDropped() throws {
    #expect(try instructions([Array("hello\n\n".utf8) + reload]) == [.reload])
  }

  /// Each of these bytes becomes three when it is made text.
  @Test func bytesThatAreNoTextDoNoHarm() throws {
    let noise = [UInt8](repeating: 0xFF, count: 40)
    #expect(try instructions([noise, [0x0A] + reload]) == [.reload])
    #expect(try instructions([noise + [0x0A] + noise, [0x0A] + drain]) == [.drainVendor])
  }

  @Test func aLineWithoutEndIsNotKept() throws {
    let endless = [UInt8](repeating: 0x61, count: Instruction.lineBytesMax * 4)
    #expect(try instructions([endless, [0x0A] + reload]) == [.reload])
  }

  @Test func theEndOfTheOrdersIsHeardOnce() throws {
    let loop = try EventLoop()
    var pair = try DescriptorPair.stream()
    guard let near = pair.first.take() else { return }
    let reader = OrderReader(near, in: loop) { _ in }
    try loop.add(reader)
    pair.second = nil
    loop.turn(waitMillisecondsMax: 100)
    // A descriptor at its end is always ready: kept in the loop, it would spin.
    let start = Instant.now()
    loop.turn(waitMillisecondsMax: 30)
    #expect(Instant.now().millisecondsSince(start) >= 20)
  }
}

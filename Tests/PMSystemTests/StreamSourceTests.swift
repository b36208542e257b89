import Testing

@testable import PMSystem

private final class Stream: StreamSource {
  var received: [UInt8] = []
  var hasEnded = false
  var (drained, broken, closed, progressed) = (0, 0, 0, 0)

  func send(_ bytes: [UInt8]) -> Bool { write(bytes.span) }

  override func onReadable() {
    var bytes = ByteBuffer()
    switch receive(into: &bytes, upTo: 4096) {
    case .bytes: received += bytes.bytes
    case .wouldBlock: break
    case .ended, .failed:
      hasEnded = true
      close()
    }
  }
  override func onDrained() { drained += 1 }
  override func onProgress() { progressed += 1 }
  override func onBroken() {
    broken += 1
    close()
  }
  override func onClosed() { closed += 1 }
}

@Suite struct StreamSourceTests {
  private func open(_ loop: EventLoop) throws -> (stream: Stream, peer: OwnedDescriptorBox) {
    var pair = try DescriptorPair.stream()
    guard let near = pair.first.take() else { throw SystemError(.socket, 0) }
    let stream = Stream(near, in: loop)
    try loop.add(stream)
    return (stream, OwnedDescriptorBox(pair.second.take()))
  }

  private static func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
  }

  @Test func whatTheKernelDoesNotTakeIsQueuedAndSentInOrder() throws {
    let loop = try EventLoop()
    let (stream, peer) = try open(loop)
    let bytes = Self.pattern(2 << 20)
    #expect(stream.send(bytes))
    #expect(stream.queuedBytes > 0)
    // A second piece goes behind the queue, although the kernel has room for it again.
    var arrived = peer.receive()
    #expect(stream.send([1, 2, 3]))
    for _ in 0..<2000 where stream.queuedBytes > 0 {
      arrived += peer.receive()
      loop.turn(waitMillisecondsMax: 100)
    }
    arrived += peer.receive()
    #expect(arrived.count == bytes.count + 3)
    #expect(arrived == bytes + [1, 2, 3])
    #expect(stream.drained == 1)
    #expect(stream.progressed > 0)
    // Nothing is queued, so nothing waits to be written.
    #expect(!stream.isWriting)
  }

  @Test func aShortWriteGoesOutAtOnce() throws {
    let loop = try EventLoop()
    let (stream, peer) = try open(loop)
    #expect(stream.sentBytes == 0)
    #expect(stream.send(Array("hello".utf8)))
    #expect(stream.sentBytes == 5)
    #expect(stream.queuedBytes == 0)
    #expect(peer.receive() == Array("hello".utf8))
    #expect(stream.drained == 0)
    #expect(stream.send([]))
  }

  @Test func aPausedStreamReadsNothingUntilItGoesOn() throws {
    let loop = try EventLoop()
    let (stream, peer) = try open(loop)
    peer.send("later")
    stream.setReading(false)
    loop.turn(waitMillisecondsMax: 0)
    #expect(stream.received.isEmpty)
    stream.setReading(true)
    loop.turn(waitMillisecondsMax: 0)
    #expect(stream.received == Array("later".utf8))
  }

  /// A backend writes the end of its answer and closes, while a slow client keeps it from being
  /// read.
  @Test func whatAPeerSentBeforeItLeftIsNotLostToAPausedStream() throws {
    let loop = try EventLoop()
    let (stream, peer) = try open(loop)
    stream.setReading(false)
    let bytes = Self.pattern(20_000)
    #expect(peer.send(bytes) == .bytes(bytes.count))
    peer.close()
    for _ in 0..<20 where !stream.isClosed { loop.turn(waitMillisecondsMax: 10) }
    #expect(stream.received == bytes)
    #expect(stream.hasEnded)
    #expect(stream.closed == 1)
  }

  @Test func aPeerThatWillNotReadBreaksTheWrite() throws {
    let loop = try EventLoop()
    let (stream, peer) = try open(loop)
    // Told even if it waits for nothing, but not in the middle of a write.
    stream.setReading(false)
    peer.close()
    #expect(!stream.send([1]))
    #expect(!stream.send([2]))
    #expect(stream.sentBytes == 0)
    #expect(stream.broken == 0)
    loop.turn(waitMillisecondsMax: 100)
    #expect(stream.broken == 1)
    #expect(stream.isClosed)
    #expect(!stream.send([1]))
    #expect(stream.broken == 1)
  }

  @Test func closingTwiceClosesOnce() throws {
    let loop = try EventLoop()
    let (stream, peer) = try open(loop)
    #expect(stream.send(Self.pattern(2 << 20)))
    stream.close()
    stream.close()
    #expect(stream.closed == 1)
    #expect(stream.queuedBytes == 0)
    #expect(loop.sourceCount == 0)
    #expect(!stream.isInLoop)
    // What was queued is gone, and the peer sees the end although the object still lives.
    _ = peer.receive()
    #expect(peer.send("x") == .failed)
    stream.setReading(false)
    stream.awaitWritable()
    var bytes = ByteBuffer()
    #expect(stream.receive(into: &bytes, upTo: 10) == .failed)
  }

  @Test func aStreamClosedEarlierInTheBatchIsNotCalled() throws {
    final class Closing: StreamSource {
      var other: StreamSource?
      var calls = 0
      override func onReadable() {
        calls += 1
        other?.close()
        close()
      }
    }
    let loop = try EventLoop()
    var streams: [Closing] = []
    var peers: [OwnedDescriptorBox] = []
    for _ in 0..<2 {
      var pair = try DescriptorPair.stream()
      guard let near = pair.first.take() else { return }
      let stream = Closing(near, in: loop)
      try loop.add(stream)
      streams.append(stream)
      peers.append(OwnedDescriptorBox(pair.second.take()))
    }
    (streams[0].other, streams[1].other) = (streams[1], streams[0])
    for peer in peers { peer.send("x") }
    loop.turn(waitMillisecondsMax: 100)
    #expect(streams[0].calls + streams[1].calls == 1)
    #expect(loop.sourceCount == 0)
    (streams[0].other, streams[1].other) = (nil, nil)
  }

  @Test func halfAnEndIsStillWritable() throws {
    let loop = try EventLoop()
    let (stream, peer) = try open(loop)
    endSending(over: stream)
    peer.send("answer")
    loop.turn(waitMillisecondsMax: 100)
    #expect(stream.received == Array("answer".utf8))
    #expect(!stream.isClosed)
  }
}

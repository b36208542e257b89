/// A stream socket in a loop, with the bytes that the kernel did not take yet. Subclasses say what
/// received bytes mean; whoever writes bounds `queuedBytes` by not reading the other side.
open class StreamSource: EventSource {
  public let loop: EventLoop
  private var output = ByteBuffer()
  /// Where the connection stands; stored apart from what is public, as `EventSource.Watch` is.
  private struct Standing {
    var hasFailed = false
    var isClosed = false
    var sentBytes: UInt64 = 0
    var queuedBytes = 0
  }
  private var standing = Standing()

  public final var isClosed: Bool { standing.isClosed }
  /// Bytes that the kernel has taken for the peer; with the first, a connect under way is done.
  public final var sentBytes: UInt64 { standing.sentBytes }

  public init(_ descriptor: consuming OwnedDescriptor, in loop: EventLoop) {
    self.loop = loop
    super.init(consume descriptor)
  }

  /// Bytes that wait for the peer to read.
  public final var queuedBytes: Int { standing.queuedBytes }

  /// Sends what the kernel takes now and queues the rest. False if the connection is broken; then
  /// `onBroken` follows at the next turn, so that nothing is called back in the middle of a write.
  @discardableResult
  public final func write(_ bytes: borrowing Span<UInt8>) -> Bool {
    if standing.isClosed || standing.hasFailed { return false }
    if bytes.isEmpty { return true }
    if standing.queuedBytes > 0 {
      queue(bytes)
      return true
    }
    switch transmit(bytes) {
    case .bytes(let count):
      if count < bytes.count { queue(bytes.extracting(count..<bytes.count)) }
    case .wouldBlock: queue(bytes)
    case .ended, .failed:
      standing.hasFailed = true
      // The loop hears of a socket that is shut, whatever it waits for.
      shutDown(descriptorNumber: number)
      return false
    }
    return true
  }

  /// Sends all bytes of a buffer, as above.
  @discardableResult
  public final func write(_ buffer: borrowing ByteBuffer) -> Bool { write(buffer.span) }

  private func transmit(_ bytes: borrowing Span<UInt8>) -> Transfer {
    guard let number = numberIfOpen else { return .failed }
    let transfer = PMSystem.send(bytes, toNumber: number)
    if case .bytes(let count) = transfer { standing.sentBytes += UInt64(count) }
    return transfer
  }

  private func queue(_ bytes: borrowing Span<UInt8>) {
    output.append(bytes)
    standing.queuedBytes += bytes.count
    loop.setInterest(self, reading: isReading, writing: true)
  }

  /// Receives once into `buffer`.
  public final func receive(into buffer: inout ByteBuffer, upTo max: Int) -> Transfer {
    guard let number = numberIfOpen else { return .failed }
    return PMSystem.receive(number, into: &buffer, upTo: max)
  }

  private var numberIfOpen: Int32? { isClosed ? nil : number }

  /// Stops or resumes reading, for back-pressure.
  public final func setReading(_ reading: Bool) {
    if !isClosed { loop.setInterest(self, reading: reading, writing: isWriting) }
  }

  public final override func onReady(_ readiness: Readiness) {
    if isClosed { return }
    if standing.hasFailed { return onBroken() }
    if readiness.isWritable && !flush() { return }
    if isClosed { return }
    // A peer that has gone sends nothing more: what it left is at most what the kernel holds, so it
    // is read even while reading is stopped, and not lost.
    if isReading ? readiness.isReadable : readiness.isHangUp { onReadable() }
  }

  private func flush() -> Bool {
    if standing.queuedBytes > 0 {
      switch transmit(output.span) {
      case .bytes(let count):
        output.consume(count)
        standing.queuedBytes -= count
      case .wouldBlock: return true
      case .ended, .failed:
        onBroken()
        return false
      }
    }
    if standing.queuedBytes == 0 {
      output.release()
      loop.setInterest(self, reading: isReading, writing: false)
      onDrained()
    } else {
      onProgress()
    }
    return true
  }

  /// Waits for the socket to become writable although nothing is queued: a connect under way.
  public final func awaitWritable() { loop.setInterest(self, reading: isReading, writing: true) }

  /// Leaves the loop and closes the descriptor. Safe to repeat.
  public final func close() {
    if isClosed { return }
    standing.isClosed = true
    standing.queuedBytes = 0
    output.release()
    loop.remove(self)
    shutDown(descriptorNumber: number)
    onClosed()
  }

  /// There is something to receive, or an end or error to learn of: receive, or close.
  open func onReadable() {}
  /// Everything queued has been sent.
  open func onDrained() {}
  /// Some of what is queued has been sent.
  open func onProgress() {}
  /// The peer is gone; the default closes.
  open func onBroken() { close() }
  /// Called once, after the connection has left the loop.
  open func onClosed() {}
}

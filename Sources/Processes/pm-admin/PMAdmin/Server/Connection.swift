internal import PMSystem

/// One connection of edge, on the loop: reads a whole request, hands it to the server, writes the
/// answer, and waits for the next. Bytes behind a request stay unread until it is answered.
final class Connection: StreamSource {
  private let server: Server
  let id: Int
  private var reader = RequestReader()
  private var isAnswering = false
  private var endsAfterAnswer = false
  private var hasAnswered = false

  /// What one receive takes; a form with its head fits.
  private static let receiveBytesMax = 16 << 10

  init(_ descriptor: consuming OwnedDescriptor, id: Int, server: Server) {
    self.server = server
    self.id = id
    super.init(consume descriptor, in: server.loop)
  }

  /// Closes as soon as that cuts nothing. A connection on which nothing was asked yet is about to
  /// carry a request, which may be on its way already.
  func leaveWhenIdle() {
    guard !isAnswering, queuedBytes == 0, reader.isEmpty else { return }
    if hasAnswered && !hasNews(self) {
      close()
    } else {
      setDeadline(AdminLimits.firstRequestSecondsMax)
    }
  }

  /// Waits for a request as long as a pool may keep a connection.
  func waitIdle() { setDeadline(AdminLimits.idleSecondsMax) }

  override func onReadable() {
    let isFirst = reader.isEmpty
    switch receive(into: &reader.input, upTo: Self.receiveBytesMax) {
    case .bytes:
      if isFirst { setDeadline(AdminLimits.requestSecondsMax) }
      readOn()
    case .wouldBlock: break
    case .ended, .failed: close()
    }
  }

  private func readOn() {
    do throws(RequestReader.Refusal) {
      guard !isAnswering, let request = try reader.next() else { return }
      isAnswering = true
      endsAfterAnswer = !reader.keepsAlive
      setReading(false)
      setDeadline(nil)
      server.take(request, from: self)
    } catch {
      endsAfterAnswer = true
      answer(.text(error.status, "The request cannot be read"))
    }
  }

  /// Sends an answer.
  func answer(_ response: Response) {
    if server.isDraining { endsAfterAnswer = true }
    setReading(false)
    setDeadline(AdminLimits.writeSecondsMax)
    let bytes = response.bytes(keepAlive: !endsAfterAnswer, withBody: !reader.isForHead)
    isAnswering = false
    hasAnswered = true
    if write(bytes.span), queuedBytes == 0 { onDrained() }
  }

  /// The answer is out.
  override func onDrained() {
    if endsAfterAnswer { return close() }
    setReading(true)
    waitIdle()
    // A request that came close behind is there already.
    if !reader.isEmpty {
      setDeadline(AdminLimits.requestSecondsMax)
      readOn()
    }
  }

  override func onDeadline() { close() }
  override func onClosed() { server.forget(self) }

  private func setDeadline(_ seconds: UInt64?) {
    loop.setDeadline(self, seconds.map { loop.now.adding(seconds: $0) } ?? .never)
  }
}

import Glibc

/// Accepts for ever, one thread per connection.
struct Server: Sendable {
  /// Pause when the kernel gives no descriptor or no thread, in milliseconds.
  private static let scarcityPauseMilliseconds = 5

  let standIn: StandIn
  let files: TLSFiles?

  func run(on socket: Int32) -> Never {
    standIn.isListening(on: Sockets.port(of: socket))
    while true {
      guard let connection = Sockets.accept(on: socket) else {
        Clock.sleep(milliseconds: Self.scarcityPauseMilliseconds)
        continue
      }
      Sockets.set(connection, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
      if !Threads.start({ serve(connection) }) {
        close(connection)
        Clock.sleep(milliseconds: Self.scarcityPauseMilliseconds)
      }
    }
  }

  private func serve(_ connection: Int32) {
    standIn.recorder.countConnection(1)
    defer { standIn.recorder.countConnection(-1) }
    let session = files.flatMap { $0.accept(socket: connection) }
    let wire = Wire(socket: connection, session: session)
    if files != nil && session == nil { return }
    let remote = wire.remoteAddress()
    var reader = RequestReader(wire: wire)
    while true {
      switch reader.head() {
      case .end: return
      case .bad(let fault):
        _ = wire.write(fault.answer)
        return
      case .head(let head):
        let exchange = Exchange(standIn: standIn, wire: wire, head: head, remote: remote)
        guard exchange.run(&reader) else { return }
      }
    }
  }
}

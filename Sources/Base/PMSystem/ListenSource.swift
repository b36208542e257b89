/// A listening socket in a loop. When descriptors run out it pauses: the kernel's backlog keeps the
/// clients meanwhile.
public final class ListenSource: EventSource {
  /// Connections accepted before other events get their turn.
  private static let acceptsPerTurnMax = 64
  /// Between two tries while descriptors are exhausted.
  private static let pauseMilliseconds: UInt64 = 100

  private unowned let loop: EventLoop
  private let onExhausted: () -> Void
  private let onConnection: (consuming OwnedDescriptor, InternetAddress) -> Void

  public init(
    _ descriptor: consuming OwnedDescriptor, in loop: EventLoop,
    onExhausted: @escaping () -> Void = {},
    onConnection: @escaping (consuming OwnedDescriptor, InternetAddress) -> Void
  ) {
    self.loop = loop
    self.onExhausted = onExhausted
    self.onConnection = onConnection
    super.init(consume descriptor)
  }

  public override func onReady(_ readiness: Readiness) {
    for _ in 0..<Self.acceptsPerTurnMax {
      switch accept(from: self) {
      case .connection(let descriptor, let address): onConnection(descriptor, address)
      case .none: return
      case .exhausted:
        onExhausted()
        loop.setInterest(self, reading: false, writing: false)
        loop.setDeadline(self, loop.now.adding(milliseconds: Self.pauseMilliseconds))
        return
      }
    }
  }

  public override func onDeadline() { loop.setInterest(self, reading: true, writing: false) }
}

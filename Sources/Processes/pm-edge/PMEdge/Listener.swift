internal import PMLog
internal import PMSystem

/// An inherited listening socket. When descriptors run out it pauses: the kernel's backlog keeps
/// the clients meanwhile.
final class Listener: EventSource {
  private unowned let edge: EdgeLoop
  private let entrance: Entrance

  init(_ descriptor: consuming OwnedDescriptor, as entrance: Entrance, of edge: EdgeLoop) {
    self.edge = edge
    self.entrance = entrance
    super.init(consume descriptor)
  }

  override func onReady(_ readiness: Readiness) {
    for _ in 0..<EdgeBounds.acceptsPerTurnMax {
      switch PMSystem.accept(from: self) {
      case .connection(let descriptor, let address):
        edge.accept(descriptor, from: address, as: entrance)
      case .none: return
      case .exhausted:
        Log.write(.edge(.descriptorsExhausted))
        edge.events.setInterest(self, reading: false, writing: false)
        let pause = EdgeBounds.acceptPauseMilliseconds
        edge.events.setDeadline(self, edge.events.now.adding(milliseconds: pause))
        return
      }
    }
  }

  override func onDeadline() {
    edge.events.setInterest(self, reading: true, writing: false)
  }
}

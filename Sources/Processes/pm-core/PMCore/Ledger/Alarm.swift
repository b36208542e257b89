import PMSystem

/// Something that happens at a time on a loop.
final class Alarm: EventSource {
  private let onRing: () -> Void

  init(_ onRing: @escaping () -> Void) {
    self.onRing = onRing
    super.init(nil)
  }

  override func onDeadline() { onRing() }
}

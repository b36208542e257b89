/// Something an `EventLoop` watches: a descriptor, a deadline, or both. Subclasses say what to do.
/// All members belong to the thread of the loop.
open class EventSource {
  /// The watched descriptor; a source made without one only has a deadline.
  public let descriptor: OwnedDescriptor?
  let number: Int32
  var slot: Int32 = -1
  var armedTick: UInt64 = .max
  public internal(set) var deadline: Instant = .never
  public internal(set) var isReading: Bool
  public internal(set) var isWriting = false

  public init(_ descriptor: consuming OwnedDescriptor?, reading: Bool = true) {
    number = descriptor.number
    self.descriptor = descriptor
    isReading = reading
  }

  /// True between `EventLoop.add` and `remove`.
  public var isInLoop: Bool { slot >= 0 }

  open func onReady(_ readiness: Readiness) {}
  open func onDeadline() {}
}

extension Optional where Wrapped == OwnedDescriptor {
  fileprivate var number: Int32 {
    switch self {
    case .some(let descriptor): descriptor.number
    case .none: -1
    }
  }
}

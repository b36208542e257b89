import Synchronization

/// A value that a test and the closures of a machine both see.
final class Shared<Value: Sendable>: Sendable {
  private let contents: Mutex<Value>

  init(_ value: Value) { contents = Mutex(value) }
  var value: Value { contents.withLock { $0 } }
  func change(_ edit: (inout Value) -> Void) { contents.withLock { edit(&$0) } }
}

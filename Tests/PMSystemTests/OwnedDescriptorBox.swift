import PMSystem

/// A descriptor that a test can keep in a list: an end of a stream, for the side not under test.
final class OwnedDescriptorBox {
  private var descriptor: OwnedDescriptor?

  init(_ descriptor: consuming OwnedDescriptor?) { self.descriptor = descriptor }

  func take() -> OwnedDescriptor? { descriptor.take() }
  func close() { descriptor = nil }

  @discardableResult
  func send(_ bytes: [UInt8]) -> Transfer {
    switch descriptor {
    case .some(let end): PMSystem.send(bytes.span, to: end)
    case .none: .failed
    }
  }

  @discardableResult
  func send(_ text: String) -> Transfer { send(Array(text.utf8)) }

  /// All that is there now.
  func receive() -> [UInt8] {
    switch descriptor {
    case .some(let end):
      var bytes = ByteBuffer()
      while case .bytes = PMSystem.receive(end, into: &bytes, upTo: 1 << 20) {}
      return bytes.bytes
    case .none: return []
    }
  }
}

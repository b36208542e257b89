internal import CLinux
internal import Glibc

/// Two descriptors that were made together; each is taken out by its owner.
public struct DescriptorPair: ~Copyable {
  public var first: OwnedDescriptor?
  public var second: OwnedDescriptor?

  /// A pipe: `first` reads what `second` writes. Close-on-exec; the reading end does not block.
  public static func pipe() throws(SystemError) -> DescriptorPair {
    var numbers: (Int32, Int32) = (-1, -1)
    let result = unsafe withUnsafeMutableBytes(of: &numbers) {
      // The tuple is two numbers in a row, as the call wants them.
      unsafe pm_pipe2($0.bindMemory(to: Int32.self).baseAddress, O_CLOEXEC)
    }
    guard result == 0 else { throw .last(.pipe) }
    _ = fcntl(numbers.0, F_SETFL, O_NONBLOCK)
    return DescriptorPair(
      first: OwnedDescriptor(result: numbers.0), second: OwnedDescriptor(result: numbers.1))
  }

  /// Two ends of one stream; neither blocks.
  public static func stream() throws(SystemError) -> DescriptorPair {
    var numbers: (Int32, Int32) = (-1, -1)
    let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    let result = unsafe withUnsafeMutableBytes(of: &numbers) {
      unsafe socketpair(AF_UNIX, Int32(type), 0, $0.bindMemory(to: Int32.self).baseAddress)
    }
    guard result == 0 else { throw .last(.socket) }
    return DescriptorPair(
      first: OwnedDescriptor(result: numbers.0), second: OwnedDescriptor(result: numbers.1))
  }
}

/// Reads a pipe whenever it has something, so that its writer never waits for us.
public final class PipeReader: EventSource {
  /// What a pipe holds by default (pipe(7)).
  private static let chunkBytesMax = 65_536

  private let onBytes: ([UInt8]) -> Void
  private let onEnd: () -> Void
  private var chunk = [UInt8](repeating: 0, count: chunkBytesMax)

  public init(
    _ descriptor: consuming OwnedDescriptor, onBytes: @escaping ([UInt8]) -> Void,
    onEnd: @escaping () -> Void
  ) {
    self.onBytes = onBytes
    self.onEnd = onEnd
    super.init(consume descriptor)
  }

  public override func onReady(_ readiness: Readiness) { readOnce() }

  /// Takes what is there now; for last words before the end of a process is handled. False if
  /// nothing was.
  @discardableResult
  public func readOnce() -> Bool {
    guard isInLoop else { return false }
    let number = number
    // The kernel writes at most the length of the chunk.
    let count = unsafe chunk.withUnsafeMutableBytes {
      unsafe read(number, $0.baseAddress, $0.count)
    }
    if count > 0 {
      onBytes(Array(chunk[0..<count]))
    } else if count == 0 || (pm_errno() != EAGAIN && pm_errno() != EINTR) {
      onEnd()
    }
    return count > 0
  }
}

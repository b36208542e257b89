internal import CLinux
internal import Glibc

/// The receiving end of the sd_notify(3) protocol: datagrams, each with the pid of its sender as
/// the kernel saw it (unix(7), SCM_CREDENTIALS).
public final class NotifySocket: EventSource {
  /// Our messages are far shorter; a longer one is dropped and counted.
  public static let messageBytesMax = 2048
  /// Bounds the work of one turn.
  private static let messagesPerTurnMax = 256

  private let onMessage: (Int32, String) -> Void
  private var buffer = [UInt8](repeating: 0, count: messageBytesMax + 1)
  /// Messages that were too long, or came without a sender.
  public private(set) var droppedCount = 0

  public init(
    path: String, mode: UInt32, onMessage: @escaping (Int32, String) -> Void
  ) throws(SystemError) {
    let type = SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    guard let descriptor = OwnedDescriptor(result: socket(AF_UNIX, Int32(type), 0)) else {
      throw .last(.socket)
    }
    _ = unsafe unlink(path)
    try unsafe UnixSocket.withAddress(path, .bind) { unsafe bind(descriptor.number, $0, $1) }
    guard unsafe chmod(path, mode) == 0 else { throw .last(.chmod) }
    var on: Int32 = 1
    guard
      unsafe setsockopt(
        descriptor.number, SOL_SOCKET, SO_PASSCRED, &on, socklen_t(MemoryLayout<Int32>.size)) == 0
    else { throw .last(.setsockopt) }
    self.onMessage = onMessage
    super.init(descriptor)
  }

  public override func onReady(_ readiness: Readiness) { drain() }

  /// Takes everything that waits. Call it before handling an exit: the last words of a process
  /// come before its end.
  public func drain() {
    for _ in 0..<Self.messagesPerTurnMax {
      guard receiveOne() else { return }
    }
  }

  /// False when nothing waits.
  private func receiveOne() -> Bool {
    let number = number
    // Words, because headers must be aligned.
    var control: InlineArray<8, UInt64> = .init(repeating: 0)
    var sender: Int32?
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      var controlBytes = control.mutableSpan
      return unsafe controlBytes.withUnsafeMutableBytes { ancillary -> Int in
        var vector = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        return unsafe withUnsafeMutablePointer(to: &vector) { vector in
          var message = unsafe msghdr()
          unsafe message.msg_iov = vector
          unsafe message.msg_iovlen = 1
          unsafe message.msg_control = ancillary.baseAddress
          unsafe message.msg_controllen = ancillary.count
          // Buffers and vector outlive the call; the kernel keeps to their lengths. Descriptors
          // that somebody sends are too large for the control buffer or closed by the kernel.
          let n = unsafe recvmsg(number, &message, Int32(MSG_DONTWAIT))
          if n >= 0 { sender = unsafe Self.sender(of: &message) }
          return n
        }
      }
    }
    guard count >= 0 else { return pm_errno() == EINTR }
    guard count <= Self.messageBytesMax, let sender else {
      droppedCount += 1
      return true
    }
    onMessage(sender, String(decoding: buffer[0..<count], as: UTF8.self))
    return true
  }

  private static func sender(of message: inout msghdr) -> Int32? {
    var next = unsafe pm_cmsg_first(&message)
    var sender: Int32?
    while let header = unsafe next {
      let isSocket = unsafe header.pointee.cmsg_level == SOL_SOCKET
      if isSocket, unsafe header.pointee.cmsg_type == pm_SCM_CREDENTIALS {
        // The kernel wrote a whole ucred behind this header.
        let data = unsafe UnsafeRawPointer(pm_cmsg_data(header))
        sender = unsafe data?.loadUnaligned(as: pm_ucred.self).pid
      } else if isSocket, unsafe header.pointee.cmsg_type == pm_SCM_RIGHTS {
        // Nobody may leave descriptors here.
        let length = unsafe Int(header.pointee.cmsg_len) - pm_cmsg_len(0)
        guard let data = unsafe UnsafeRawPointer(pm_cmsg_data(header)) else { return nil }
        for offset in stride(from: 0, to: length, by: MemoryLayout<Int32>.size) {
          _ = close(unsafe data.loadUnaligned(fromByteOffset: offset, as: Int32.self))
        }
      }
      unsafe next = pm_cmsg_next(&message, header)
    }
    return sender
  }
}

/// The sending end: to whoever started this process.
public final class Notifier: Sendable {
  private let path: String
  private let socket: OwnedDescriptor

  /// Nil without `NOTIFY_SOCKET`: run by hand, nobody listens.
  public static func fromEnvironment() -> Notifier? {
    guard let path = Environment.value("NOTIFY_SOCKET") else { return nil }
    return Notifier(path: path)
  }

  public init?(path: String) {
    let type = SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue
    guard let socket = OwnedDescriptor(result: Glibc.socket(AF_UNIX, Int32(type), 0)) else {
      return nil
    }
    self.path = path
    self.socket = socket
  }

  /// Sends one message of `NAME=value` lines. It is news, not a request: a full or absent
  /// receiver is no error here. Abstract socket names are not spoken.
  public func send(_ lines: [String]) { send(lines, descriptor: nil) }

  /// Sends a message with a descriptor, for the fd store of systemd.
  public func send(_ lines: [String], descriptor: borrowing OwnedDescriptor) {
    send(lines, descriptor: descriptor.number)
  }

  private func send(_ lines: [String], descriptor: Int32?) {
    var bytes = Array(lines.joined(separator: "\n").utf8)
    var control: InlineArray<4, UInt64> = .init(repeating: 0)
    let number = socket.number
    try? unsafe UnixSocket.withAddress(path, .sendmsg) { address, length in
      unsafe bytes.withUnsafeMutableBytes { bytes in
        var ancillary = control.mutableSpan
        return unsafe ancillary.withUnsafeMutableBytes { ancillary -> Int32 in
          var vector = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
          return unsafe withUnsafeMutablePointer(to: &vector) { vector in
            var message = unsafe msghdr()
            unsafe message.msg_name = UnsafeMutableRawPointer(mutating: address)
            unsafe message.msg_namelen = length
            unsafe message.msg_iov = vector
            unsafe message.msg_iovlen = 1
            if let descriptor {
              unsafe message.msg_control = ancillary.baseAddress
              unsafe message.msg_controllen = pm_cmsg_space(MemoryLayout<Int32>.size)
              unsafe attach(descriptor, to: &message)
            }
            // Everything pointed to lives until the call returns.
            let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
            return unsafe sendmsg(number, &message, flags) >= 0 ? 0 : -1
          }
        }
      }
    }
  }

  private func attach(_ descriptor: Int32, to message: inout msghdr) {
    // The control buffer has room for one header with one number, as msg_controllen says.
    guard let header = unsafe pm_cmsg_first(&message) else { return }
    unsafe header.pointee.cmsg_level = SOL_SOCKET
    unsafe header.pointee.cmsg_type = pm_SCM_RIGHTS
    unsafe header.pointee.cmsg_len = pm_cmsg_len(MemoryLayout<Int32>.size)
    unsafe UnsafeMutableRawPointer(pm_cmsg_data(header)).storeBytes(of: descriptor, as: Int32.self)
  }
}
